"""Read back what the engine recorded of a case: completed executions in the order in which the case passed them."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from models.templates.shape import Json
from workers.importlog.client import Api
from workers.importlog.compare import Completed
from workers.importlog.naming import START

COMPLETED, STARTED = "execution_completed", "execution_started"
"""Actions of the audit trail."""


async def recorded_executions(api: Api, instance_id: str) -> list[Completed]:
    """The completed executions of an instance, with the people named in its audit trail.

    Raises:
        ApiProblem: with the server's code.
    """
    path = f"/api/workflows/{instance_id}"
    executions = [one async for one in api.pages(f"{path}/executions/")]
    people: dict[tuple[str, str], str] = {}
    async for entry in api.pages(f"{path}/audit/"):
        if entry["execution"]:
            people[entry["execution"], entry["action"]] = entry.get("on_behalf_of") or ""
    return [
        Completed(
            one["step"]["key"],
            people.get((one["id"], COMPLETED), ""),
            people.get((one["id"], STARTED), ""),
        )
        for one in in_passing_order(executions)
        if one["status"] == "completed"
    ]


def in_passing_order(executions: Iterable[Json]) -> Iterator[Json]:
    """Follow `next_step` and visits from the start, so that no clock decides; what is not on the way comes last."""
    by_step: defaultdict[str, list[Json]] = defaultdict(list)
    for one in sorted(executions, key=lambda one: one["visit_number"], reverse=True):
        by_step[one["step"]["key"]].append(one)
    here = START
    while by_step[here]:
        one = by_step[here].pop()
        yield one
        here = (one.get("next_step") or {}).get("key", "")
    for left in by_step.values():
        yield from reversed(left)

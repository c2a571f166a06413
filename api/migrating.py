"""The plan of a migration: what the core would do to each instance, told before it is done."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping
from sqlmodel.ext.asyncio.session import AsyncSession

from activities.journal import fold_journal
from api.problems import document
from models.flow.graph import parse_graph
from models.flow.migrating import Fate, Image, image_of, images
from models.flow.state import Ref, State, execution_id
from models.flow.status import INSTANCE_CLOSED, InstanceStatus
from models.store.migrations import Versions, children_named, subjects_of
from models.tables import Process

Json = dict[str, Any]
Steps = Mapping[str, str | None]


class Planner:
    """Plans for the instances of one request; reads, and changes nothing."""

    def __init__(self, session: AsyncSession, versions: Versions, steps: Steps) -> None:
        """Take a session that sees one moment."""
        self._session = session
        self._old = versions.old
        self._before, self._after = parse_graph(versions.old.graph), parse_graph(versions.new.graph)
        self._steps = steps

    def of_steps(self) -> list[Json]:
        """What becomes of each step of the old version."""
        return [_image_json(image_of(key, self._before, self._after, self._steps)) for key in self._before.steps]

    async def of_instance(self, row: RowMapping) -> Json:
        """What becomes of each subject of one instance, and what stands in the way."""
        shown = {"instance": {"id": str(row["id"]), "identifier": row["identifier"], "name": row["name"]}}
        nothing: Json = {"moves": [], "children_left": []}
        if (problem := self._problem(row)) is not None:
            return {**shown, "possible": False, "problems": [problem], **nothing}
        connection = await self._session.connection()
        state = await fold_journal(connection, self._old.tenant_id, row["id"])
        plan = images(self._before, self._after, state, self._steps)
        problems = _problems(state, plan)
        moves, left = await self._moves(row["id"], state, plan), await self._children_left(state, plan)
        return {**shown, "possible": not problems, "problems": problems, "moves": moves, "children_left": left}

    def _problem(self, row: RowMapping) -> Json | None:
        if row["status"] in INSTANCE_CLOSED:
            return document("instance_closed", {"status": row["status"]})
        if row["process_id"] != self._old.id:
            return document("migration_other_version")
        return document("not_begun") if row["status"] == InstanceStatus.PENDING else None

    async def _moves(self, instance: UUID, state: State, plan: Mapping[Ref, Image]) -> list[Json]:
        """Open executions by what becomes of them; steps in the order of the old version."""
        subjects = await subjects_of(self._session, self._old.tenant_id, instance)
        moves: dict[str, Json] = {}
        for ref, image in plan.items():
            told = _image_json(image)
            move = moves.setdefault(f"{image.step}/{image.fate}", {**told, "subjects": []})
            token = state.tokens[ref]
            move["subjects"].append(
                {
                    **subjects[ref.subject],
                    "execution_id": str(execution_id(instance, ref)),
                    "visit_number": ref.visit,
                    "status": token.status.value,
                    "assigned_to": token.assignee,
                }
            )
        order = list(self._before.steps)
        return sorted(moves.values(), key=lambda move: order.index(move["step"]))

    async def _children_left(self, state: State, plan: Mapping[Ref, Image]) -> list[Json]:
        """Nested instances for which nothing waits any more: they run on, or end with the execution that asked."""
        left = {
            child_id: child
            for child_id, child in state.children.items()
            if child.ref not in plan or child.requirement not in plan[child.ref].kept
        }
        named = await children_named(self._session, self._old.tenant_id, left)
        return [
            {
                **named[child_id],
                "step": child.ref.step,
                "requirement": child.requirement,
                "outcome": "runs_on" if child.ref in plan and plan[child.ref].fate is Fate.STAYS else "cancelled",
            }
            for child_id, child in left.items()
            if child_id in named
        ]


def version_json(process: Process) -> Json:
    """A version in a word."""
    return {"id": str(process.id), "key": process.key, "name": process.name, "version": process.version}


def _problems(state: State, plan: Mapping[Ref, Image]) -> list[Json]:
    found = []
    if state.status is InstanceStatus.ON_HOLD:
        found.append(document("on_hold"))
    lost = [ref for ref, image in plan.items() if image.fate is Fate.LOST]
    if lost:
        params = {"steps": sorted({ref.step for ref in lost}), "subjects": len({ref.subject for ref in lost})}
        found.append(document("migration_no_image", params))
    return found


def _image_json(image: Image) -> Json:
    return {
        "step": image.step,
        "to_step": image.to,
        "outcome": image.fate.value,
        "kept": list(image.kept),
        "opened": list(image.opened),
        "dropped": list(image.dropped),
        "reopens": image.reopens,
    }

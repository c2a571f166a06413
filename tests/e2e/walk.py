"""Ways through a process that the walks share: start it, meet the gates of an execution, walk to the end."""

import time
from collections.abc import Callable
from typing import Any, TypeVar
from uuid import uuid4

from tests.e2e.people import Person

Json = dict[str, Any]
Found = TypeVar("Found")
PATIENCE = 60.0

LONGEST_WALK = 40


def instantiate(admin: Person, template: str) -> Json:
    """An approved process of a shipped template."""
    process: Json = admin.post(f"/api/templates/{template}/instantiate/", {"approve": True}, expect=201)
    assert process["status"] == "approved"
    assert process["template_source"] == template
    return process


def start(person: Person, process: Json, subject_type: str, title: str, count: int = 1) -> Json:
    """A new instance with new subjects."""
    subjects = [
        {"subject_type": subject_type, "identifier": f"{title}-{uuid4().hex[:8]}", "title": title, "attributes": {}}
        for _ in range(count)
    ]
    workflow: Json = person.post("/api/workflows/", {"process": process["id"], "subjects": subjects}, expect=201)
    return workflow


def meet(execution: str, worker: Person, quality: Person, *others: Person) -> None:
    """Give every gate of an execution what it asks for, approvals last."""
    for requirement in worker.requirements(execution):
        if requirement["requirement_type"] not in {"approval", "child_workflow"}:
            worker.give(execution, requirement, quality)
    for person in (quality, *others):
        person.approve_all(execution)


def complete(worker: Person, execution: str, **body: Any) -> Json:
    """Complete and return the answer."""
    answer: Json = worker.post(f"/api/executions/{execution}/complete/", body)
    return answer


def walk(worker: Person, workflow: str, quality: Person, *others: Person) -> list[str]:
    """Meet and complete every open execution until the instance is over; decisions are answered with `pass`.

    Returns:
        The step keys in the order in which they were completed.
    """
    walked: list[str] = []
    for _ in range(LONGEST_WALK):
        opened = [one for one in worker.items(f"/api/workflows/{workflow}/executions/") if one["exited_at"] is None]
        if not opened:
            return walked
        for execution in opened:
            meet(execution["id"], worker, quality, *others)
            worker.post(f"/api/executions/{execution['id']}/start/")
            complete(worker, execution["id"], decision_result="pass")
            walked.append(execution["step"]["key"])
    raise AssertionError(f"no end after {LONGEST_WALK} rounds: {walked}")


def eventually(ask: Callable[[], Found], holds: Callable[[Found], bool]) -> Found:
    """The first answer that is as wanted; what nested workflows do, nobody waits for over HTTP."""
    until = time.monotonic() + PATIENCE
    while not holds(found := ask()):
        assert time.monotonic() < until, found
        time.sleep(0.1)
    return found

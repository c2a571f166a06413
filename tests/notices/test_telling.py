"""Which events of a record tell whom: one notice per kind and step, nothing for a plain completion."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from activities.contract import Cohort
from activities.notices import notices_of
from activities.projection import Place
from models.flow import events as ev
from models.flow.graph import parse_graph
from models.flow.state import Ref
from models.notices.kinds import NoticeKind
from models.permissions import roles_with

PLACE = Place(uuid4(), uuid4(), uuid4())
AT = datetime(2026, 5, 4, tzinfo=UTC)
WELD = Ref(0, "weld")


def cohort(event: ev.Event, *subjects: int) -> Cohort:
    return Cohort(event=event, subjects=subjects or (0,))


@pytest.mark.parametrize(
    "event",
    [
        ev.ExecutionCompleted(ref=WELD, at=AT, by="ann", next_step="paint"),
        ev.ExecutionClaimed(ref=WELD, at=AT, by="ann"),
        ev.ExecutionStarted(ref=WELD, at=AT, by="ann"),
        ev.ExecutionEntered(ref=WELD, at=AT),
        ev.ExecutionReassigned(ref=WELD, at=AT, by="ann", to=None, how="reassign"),
        ev.CommandRefused(ref=WELD, at=AT, code="already_claimed"),
        ev.InstanceStarted(at=AT, subjects=1),
    ],
)
def test_what_tells_nobody(event: ev.Event) -> None:
    assert notices_of(PLACE, [cohort(event)]) == []


@pytest.mark.parametrize(
    ("event", "kind", "users", "roles", "params"),
    [
        (ev.ExecutionEntered(ref=WELD, at=AT, assignee="bob"), "execution_assigned", ("bob",), (), {}),
        (ev.ExecutionReassigned(ref=WELD, at=AT, by="ann", to="bob", how="reassign", reason="ill"),
         "execution_assigned", ("bob",), (), {"actor": "ann", "reason": "ill"}),
        (ev.ReminderSent(ref=WELD, at=AT, mark=0), "execution_due_soon", (), (), {}),
        (ev.ExecutionOverdue(ref=WELD, at=AT, due_at=AT, escalate=True), "execution_overdue", (), (), {}),
        (ev.ExecutionEscalated(ref=WELD, at=AT, mark=1, level=2, action="notify", to=("role:chief", "user:eve")),
         "escalation", ("eve",), ("chief",), {"level": 2}),
        (ev.SignoffAwaited(ref=WELD, at=AT, by="ann"), "signoff_awaited", (), roles_with("execution.signoff"),
         {"actor": "ann"}),
        (ev.InstanceHeld(at=AT, by="ann", reason="scale broken"), "instance_held", (), (),
         {"actor": "ann", "reason": "scale broken"}),
        (ev.InstanceCompleted(at=AT), "instance_completed", (), (), {}),
    ],
)  # fmt: skip
def test_what_tells_whom(
    event: ev.Event, kind: str, users: tuple[str, ...], roles: tuple[str, ...], params: dict[str, object]
) -> None:
    (notice,) = notices_of(PLACE, [cohort(event)])
    assert (notice.kind, notice.recipients.users, notice.recipients.roles) == (kind, users, roles)
    assert notice.params == params
    assert notice.about.instance == PLACE.instance


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"escalate_on_overdue": True}, ["execution_overdue", "escalation"]),
        ({}, ["execution_overdue"]),
        ({"escalate_on_overdue": True, "config": {"escalation": {"levels": [{"after": "PT1H"}]}}},
         ["execution_overdue"]),
    ],
)  # fmt: skip
def test_what_is_late_without_a_policy_is_escalated_to_the_owner(settings: Any, told: list[str]) -> None:
    graph = parse_graph({"steps": [{"key": "weld", "name": "Weld", "expected_duration": "PT1H", **settings}]})
    event = ev.ExecutionOverdue(ref=WELD, at=AT, due_at=AT, escalate=graph.steps["weld"].escalate_on_overdue)
    found = notices_of(PLACE, [cohort(event)], graph)
    assert [one.kind for one in found] == told
    assert found[-1].recipients.owner


TAKEN_BY = {"assignment": {"roles": ["operator"]}}


@pytest.mark.parametrize(
    ("settings", "event", "told"),
    [
        ({"config": TAKEN_BY}, ev.ExecutionEntered(ref=WELD, at=AT), ["execution_available"]),
        ({"config": TAKEN_BY}, ev.ExecutionReleased(ref=WELD, at=AT, by="ann"), ["execution_available"]),
        ({"config": TAKEN_BY}, ev.ExecutionReassigned(ref=WELD, at=AT, by="ann", to=None, how="reassign"),
         ["execution_available"]),
        ({"config": TAKEN_BY}, ev.ExecutionEntered(ref=WELD, at=AT, assignee="bob"), ["execution_assigned"]),
        ({"config": TAKEN_BY, "is_terminal": True}, ev.ExecutionEntered(ref=WELD, at=AT), []),
        ({"config": {"assignment": {"rule": "true"}}}, ev.ExecutionEntered(ref=WELD, at=AT), []),
        ({}, ev.ExecutionEntered(ref=WELD, at=AT), []),
    ],
)  # fmt: skip
def test_work_that_nobody_holds_is_told_to_its_candidates_where_anybody_wants_that(
    settings: Any, event: ev.Event, told: list[str]
) -> None:
    graph = parse_graph({"steps": [{"key": "weld", "name": "Weld", **settings}]})
    chosen = frozenset({NoticeKind.EXECUTION_AVAILABLE})
    found = notices_of(PLACE, [cohort(event)], graph, chosen)
    assert [one.kind for one in found] == told
    assert all(one.recipients.candidates for one in found if one.kind is NoticeKind.EXECUTION_AVAILABLE)
    assert NoticeKind.EXECUTION_AVAILABLE not in {one.kind for one in notices_of(PLACE, [cohort(event)], graph)}


def test_an_incident_says_what_stopped_in_words() -> None:
    event = ev.IncidentOpened(ref=WELD, at=AT, incident_id="i", code="visit_limit_reached", params={"step": "Weld"})
    (notice,) = notices_of(PLACE, [cohort(event)])
    assert notice.kind is NoticeKind.INCIDENT_OPENED
    assert notice.params["code"] == "visit_limit_reached"
    assert len(notice.params["message"]) > 20


def test_who_did_it_is_not_told_of_it() -> None:
    (notice,) = notices_of(PLACE, [cohort(ev.InstanceHeld(at=AT, by="ann", reason="x"))])
    assert notice.recipients.but == ("ann",)


def test_equal_ones_at_one_step_are_one_notice_and_others_their_own() -> None:
    paint = Ref(0, "paint")
    cohorts = [
        cohort(ev.ExecutionOverdue(ref=WELD, at=AT, due_at=AT, escalate=False), 0, 1),
        cohort(ev.ExecutionOverdue(ref=WELD, at=AT, due_at=AT, escalate=False), 2),
        cohort(ev.ExecutionOverdue(ref=paint, at=AT, due_at=AT, escalate=False), 3),
        cohort(ev.ExecutionEntered(ref=WELD, at=AT, assignee="bob"), 4),
        cohort(ev.ExecutionEntered(ref=WELD, at=AT, assignee="eve"), 5),
    ]
    found = [(one.kind.value, one.recipients.users, list(one.about.executions)) for one in notices_of(PLACE, cohorts)]
    assert found == [
        ("execution_overdue", (), PLACE.ids(WELD, [0, 1, 2])),
        ("execution_overdue", (), PLACE.ids(paint, [3])),
        ("execution_assigned", ("bob",), PLACE.ids(WELD, [4])),
        ("execution_assigned", ("eve",), PLACE.ids(WELD, [5])),
    ]

"""What happens beside the ordinary way, as the state sees it: deviations, time, branches, messages, actions."""

from datetime import timedelta

from models.flow import events as ev
from models.flow.branches import Branch, branch_of, name_of
from models.flow.evolve import fold
from models.flow.state import Arrival, Call, Ref, State, Token
from models.flow.status import ExecutionStatus as S
from models.flow.status import InstanceStatus
from tests.flow.scene import INSTANCE, NOW

HERE = Ref(0, "a")
LATER = NOW + timedelta(hours=8)


def after(*events: ev.Event) -> State:
    return fold(State(instance_id=INSTANCE), [ev.InstanceStarted(at=NOW, subjects=2), *events])


def entered(ref: Ref = HERE, **given: object) -> ev.ExecutionEntered:
    return ev.ExecutionEntered(ref=ref, at=NOW, **given)  # type: ignore[arg-type]


def test_an_assigned_entry_is_claimed_and_a_lot_counts_for_itself() -> None:
    state = after(entered(assignee="ann", lot="rework"), entered(Ref(1, "a")))
    assert state.tokens[HERE] == Token(status=S.CLAIMED, assignee="ann", lot="rework")
    assert state.busy == {("a", "rework"): 1, ("a", ""): 1}
    moved = fold(state, [ev.LotChanged(ref=HERE, at=NOW, by="sue", lot="", reason="merged again")])
    assert moved.busy == {("a", ""): 2}


def test_a_diverted_execution_leaves_nothing_behind() -> None:
    asked = ev.ActionRequested(ref=HERE, at=NOW, call_id="c1", action="webhook")
    state = after(entered(hop=True), asked)
    assert state.calls == {HERE: Call(call_id="c1", action="webhook")}
    assert state.hops == {}
    gone = ev.ExecutionDiverted(ref=HERE, at=NOW, by="sue", how="skip", status="skipped", to_step="b", reason="r" * 10)
    state = fold(state, [gone])
    assert (state.tokens, state.calls, state.busy) == ({}, {}, {})


def test_an_action_that_comes_back_late_does_not_end_the_next_attempt() -> None:
    state = after(
        entered(),
        ev.ActionRequested(ref=HERE, at=NOW, call_id="c1", action="webhook"),
        ev.ActionRequested(ref=HERE, at=NOW, call_id="c2", action="webhook", attempt=2),
        ev.ActionEnded(ref=HERE, at=NOW, call_id="c1", succeeded=False, error="timed out"),
    )
    assert state.calls == {HERE: Call(call_id="c2", action="webhook", attempt=2)}


def test_reassigning_keeps_what_was_started_and_the_pool_takes_it_back() -> None:
    given = {"at": NOW, "by": "sue", "reason": "on leave"}
    state = after(entered(), ev.ExecutionReassigned(ref=HERE, to="bob", how="delegate", owner="ann", **given))  # type: ignore[arg-type]
    assert state.tokens[HERE] == Token(status=S.CLAIMED, assignee="bob", owner="ann")
    state = fold(state, [ev.ExecutionStarted(ref=HERE, at=NOW, by="bob")])
    state = fold(state, [ev.ExecutionReassigned(ref=HERE, to="ann", how="hand_back", **given)])  # type: ignore[arg-type]
    assert state.tokens[HERE] == Token(status=S.IN_PROGRESS, assignee="ann")
    state = fold(state, [ev.ExecutionReassigned(ref=HERE, to=None, how="reassign", **given)])  # type: ignore[arg-type]
    assert state.tokens[HERE] == Token()


def test_an_undone_completion_is_open_again_and_its_subject_under_way() -> None:
    state = after(
        entered(),
        ev.ExecutionCompleted(ref=HERE, at=NOW, by="ann", next_step=None),
        ev.SubjectFinished(ref=HERE, at=NOW, terminal_status="shipped"),
        ev.SubjectResumed(ref=HERE, at=NOW, terminal_status="shipped"),
        ev.ExecutionRestored(ref=HERE, at=NOW, by="ann", reason="wrong part", assignee="ann", due_at=LATER),
    )
    assert state.tokens == {HERE: Token(status=S.IN_PROGRESS, assignee="ann", due_at=LATER)}
    assert state.finished == {}


def test_marks_are_passed_one_by_one_and_new_deadlines_begin_anew() -> None:
    state = after(
        entered(due_at=LATER, marks=(NOW, LATER)),
        ev.ReminderSent(ref=HERE, at=NOW, mark=0),
    )
    assert state.tokens[HERE].next_mark == LATER
    state = fold(state, [ev.ExecutionEscalated(ref=HERE, at=LATER, mark=1, level=1, action="notify")])
    assert state.tokens[HERE].next_mark is None
    again = ev.DueChanged(
        ref=HERE,
        at=LATER,
        by="sue",
        how="snooze",
        due_at=LATER,
        limit_at=None,
        marks=(LATER,),
        reason="waits for steel",
    )
    assert fold(state, [again]).tokens[HERE].next_mark == LATER


def test_resuming_moves_every_moment_and_the_calendar_has_the_last_word() -> None:
    day = timedelta(days=1)
    state = after(
        entered(due_at=LATER, marks=(LATER,)),
        entered(Ref(1, "t"), wake_at=LATER + day),
        ev.InstanceHeld(at=NOW, by="sue", reason="audit"),
    )
    back = ev.InstanceResumed(at=NOW + day, held_at=NOW, by="sue", reason="done", moved=((LATER, LATER + 3 * day),))
    state = fold(state, [back])
    assert state.tokens[HERE].due_at == LATER + 3 * day
    assert state.tokens[HERE].marks == (LATER + 3 * day,)
    assert state.tokens[Ref(1, "t")].wake_at == LATER + 2 * day


def test_a_timer_that_counts_all_time_moves_by_the_time_held_whatever_else_falls_on_that_moment() -> None:
    day = timedelta(days=1)
    state = after(
        entered(due_at=LATER),
        entered(Ref(1, "oven"), wake_at=LATER),
        entered(Ref(1, "cure"), wake_at=LATER),
        ev.InstanceHeld(at=NOW, by="sue", reason="audit"),
    )
    moved = ((LATER, LATER + 3 * day),)
    back = ev.InstanceResumed(at=NOW + day, held_at=NOW, by="sue", reason="done", moved=moved, by_clock=("oven",))
    tokens = fold(state, [back]).tokens
    assert tokens[HERE].due_at == tokens[Ref(1, "cure")].wake_at == LATER + 3 * day
    assert tokens[Ref(1, "oven")].wake_at == LATER + day


def test_branches_wait_at_their_join_until_it_is_entered() -> None:
    one, two = name_of("", "f", 1, 1), name_of("", "f", 1, 2)
    state = after(
        entered(Ref(0, "x", branch=one)),
        ev.ExecutionCompleted(ref=Ref(0, "x", branch=one), at=NOW, by="ann", next_step="j"),
        ev.BranchArrived(ref=Ref(0, "x", branch=one), at=NOW, branch=one, join="j"),
        ev.BranchArrived(ref=Ref(0, "f"), at=NOW, branch=two, join="j"),
    )
    assert state.arrived == {0: (Arrival("j", one), Arrival("j", two))}
    assert fold(state, [entered(Ref(0, "j"))]).arrived == {}
    assert fold(state, [entered(Ref(0, "k", branch=two))]).arrived == state.arrived


def test_who_leaves_a_fork_by_another_way_leaves_its_branches_behind() -> None:
    outer = name_of("", "f", 1, 1)
    inner = name_of(outer, "g", 1, 1)
    state = after(ev.BranchArrived(ref=Ref(0, "x", branch=inner), at=NOW, branch=inner, join="j"))
    assert fold(state, [entered(Ref(0, "k", branch=name_of("", "f", 1, 2)))]).arrived == state.arrived
    assert fold(state, [entered(Ref(0, "k", branch=outer))]).arrived == {}
    assert fold(state, [entered(Ref(0, "k"))]).arrived == {}


def test_names_of_branches_read_back() -> None:
    inner = name_of(name_of("", "fork.1", 2, 3), "in", 1, 2)
    assert inner == "fork.1.2.3/in.1.2"
    assert branch_of(inner) == Branch("fork.1.2.3", "in", 1, 2)
    assert branch_of(branch_of(inner).outer) == Branch("", "fork.1", 2, 3)


def test_subjects_that_join_are_numbered_on() -> None:
    joined = ev.SubjectsAdded(at=NOW, by="sue", first=2, subject_ids=("x", "y", "z"), reason="late parts")
    assert after(joined).subjects == 5


def test_an_incident_that_is_to_be_tried_again_is_looked_at_next() -> None:
    state = after(
        entered(),
        ev.IncidentOpened(ref=HERE, at=NOW, incident_id="i", code="no_route"),
        ev.IncidentResolved(ref=HERE, at=NOW, incident_id="i", by="sue", resolution="retry", hop=True),
    )
    assert (state.tokens[HERE].incident, state.hops) == (None, {HERE: None})


def test_an_awaited_event_stops_the_hop_and_its_arrival_sets_it_again() -> None:
    state = after(entered(hop=True), ev.MessageAwaited(ref=HERE, at=NOW, name="received", key="PO-1"))
    assert state.hops == {}
    state = fold(state, [ev.MessageReceived(ref=HERE, at=NOW, message_id="m", name="received", key="PO-1")])
    assert state.hops == {HERE: None}


def test_a_closed_instance_waits_for_nothing() -> None:
    state = after(
        entered(),
        ev.ActionRequested(ref=HERE, at=NOW, call_id="c", action="webhook"),
        ev.BranchArrived(ref=HERE, at=NOW, branch="f.1.1", join="j"),
        ev.InstanceCancelled(at=NOW, by="sue", reason="order cancelled"),
    )
    assert (state.status, state.calls, state.arrived) == (InstanceStatus.CANCELLED, {}, {})

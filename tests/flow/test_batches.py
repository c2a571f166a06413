"""Batch steps: who is ready waits, all go on together, each by its own route; several commands in one record."""

from models.flow import commands as cmd
from models.flow import events as ev
from models.flow.state import Ref
from models.flow.status import ExecutionStatus as S
from models.flow.status import InstanceStatus
from tests.flow.scene import Scene, command, edge, end, gate, graph, kinds, of_type, step

BATCH = step("b", requires_batch_completion=True)
ROUTES = (
    step("b", requires_batch_completion=True, is_decision_point=True),
    step("rework"),
    end("stock", "stock"),
    edge("b", "stock"),
    edge("b", "rework", "alternate"),
)


def test_each_waits_until_the_last_is_ready() -> None:
    scene = Scene(graph(BATCH, step("c"), end()), subjects=3)
    assert scene.do("complete", ref=Ref(0, "b")).outcome == "waiting"
    assert scene.do("complete", ref=Ref(2, "b")).outcome == "waiting"
    assert {ref.subject: token.status for ref, token in scene.state.tokens.items()} == {
        0: S.WAITING,
        1: S.PENDING,
        2: S.WAITING,
    }
    assert scene.do("complete", ref=Ref(1, "b")).outcome == "advanced"
    assert scene.places() == {0: "c", 1: "c", 2: "c"}


def test_each_goes_by_its_own_route() -> None:
    scene = Scene(graph(*ROUTES), subjects=3)
    for subject, result in enumerate(("pass", "fail", "pass")):
        scene.do("complete", ref=Ref(subject, "b"), decision_result=result)
    assert scene.places() == {1: "rework"}
    assert scene.state.finished == {"stock": 2}
    assert [one.outcome for one in scene.outcomes] == ["waiting", "waiting", "completed"]


def test_subjects_upstream_do_not_count() -> None:
    scene = Scene(graph(step("a"), BATCH, step("c"), end()), subjects=2)
    scene.do("complete", ref=Ref(0, "a"))
    assert scene.do("complete", ref=Ref(0, "b")).outcome == "advanced"
    assert scene.places() == {0: "c", 1: "a"}


def test_evidence_that_went_away_reopens_one_and_holds_the_others() -> None:
    scene = Scene(graph(step("b", requires_batch_completion=True, requirements=[gate()]), step("c"), end()), subjects=3)
    refs = [Ref(n, "b") for n in range(3)]
    scene.give_evidence(*refs)
    scene.do("start", ref=refs[0])
    scene.do("complete", ref=refs[0])
    scene.do("complete", ref=refs[1])
    scene.withdraw_evidence(refs[0])
    assert scene.do("complete", ref=refs[2]).outcome == "waiting"
    assert (scene.token(refs[0]).status, scene.token(refs[0]).assignee) == (S.IN_PROGRESS, "ann")
    scene.give_evidence(refs[0])
    assert scene.do("complete", ref=refs[0]).outcome == "advanced"
    assert scene.places() == {0: "c", 1: "c", 2: "c"}


def test_a_withdrawal_while_waiting_reopens_but_not_what_was_forced() -> None:
    scene = Scene(graph(step("b", requires_batch_completion=True, requirements=[gate()]), end()), subjects=2)
    ref = Ref(0, "b")
    scene.give_evidence(ref)
    scene.do("complete", ref=ref)
    scene.withdraw_evidence(ref)
    assert kinds(scene.play(cmd.Recheck(ref=ref))) == ["execution_reopened"]
    assert scene.token(ref).status is S.IN_PROGRESS
    scene.do("release", ref=ref)
    scene.do("complete", "sue", ref, force="part is needed today")
    assert scene.token(ref).status is S.WAITING
    assert scene.play(cmd.Recheck(ref=ref)) == ()
    scene.do("complete", "sue", Ref(1, "b"), force="part is needed today")
    assert scene.state.status is InstanceStatus.COMPLETED
    assert all(event.forced for event in of_type(scene.events, ev.ExecutionCompleted) if event.ref.step == "b")


def test_an_incident_in_a_batch_stops_only_its_own_subject() -> None:
    """It can come about only where the process was changed while subjects waited."""
    scene = Scene(graph(*ROUTES), subjects=2)
    scene.do("complete", ref=Ref(0, "b"), decision_result="fail")
    scene.graph = graph(*ROUTES[:4], checked=False)
    scene.do("complete", ref=Ref(1, "b"), decision_result="pass")
    assert scene.places() == {0: "b"}
    assert scene.token().incident is not None
    assert scene.token().status is S.IN_PROGRESS
    assert scene.do("complete", decision_result="pass").outcome == "completed"


def test_commands_of_one_record_see_what_those_before_them_did() -> None:
    scene = Scene(graph(BATCH, step("c"), end()), subjects=3)
    scene.play(*(command("complete", "ann", Ref(n, "b")) for n in range(3)), command("claim", "bob", Ref(0, "b")))
    assert [one.outcome for one in scene.outcomes] == ["waiting", "waiting", "advanced", "execution_closed"]
    assert scene.places() == {0: "c", 1: "c", 2: "c"}


def test_visit_numbers_stay_true_within_one_record() -> None:
    looped = graph(
        step("a", is_decision_point=True),
        step("b"),
        end(),
        edge("a", "b"),
        edge("a", "end", "alternate"),
        edge("b", "a"),
    )
    scene = Scene(looped)
    steps = [("a", 1), ("b", 1), ("a", 2), ("b", 2)]
    scene.play(*(command("complete", "ann", Ref(0, k, v), decision_result="pass") for k, v in steps))
    assert scene.only == Ref(0, "a", 3)


def test_each_command_at_each_execution_has_one_outcome() -> None:
    scene = Scene(graph(step("a"), end()), subjects=2)
    decision = scene.decide(
        command("claim", "ann", Ref(0, "a")), cmd.Recheck(ref=Ref(1, "a")), command("claim", "guest", Ref(1, "a"))
    )
    assert [(one.ref, one.outcome) for one in decision.outcomes] == [
        (Ref(0, "a"), "claimed"),
        (Ref(1, "a"), "forbidden"),
    ]
    assert decision.happened[-1].command_id == decision.outcomes[-1].command_id

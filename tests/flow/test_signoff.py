"""QA sign-off: another person, after all else, for each execution or once per batch."""

from models.flow import commands as cmd
from models.flow import events as ev
from models.flow.state import Ref
from models.flow.status import ExecutionStatus as S
from models.flow.status import InstanceStatus
from tests.flow.scene import Scene, edge, end, gate, graph, kinds, of_type, step

SIGNED = (step("a", requires_qa_signoff=True), end())


def test_the_work_waits_for_another_person() -> None:
    scene = Scene(graph(*SIGNED))
    assert scene.do("complete", "chief", notes="n").outcome == "awaiting_signoff"
    assert scene.token().status is S.AWAITING_SIGNOFF
    assert scene.do("signoff", "ann").outcome == "forbidden"
    assert scene.do("signoff", "chief").outcome == "self_signoff"
    assert scene.do("signoff", "qa", comment="seen").outcome == "completed"
    (signed,) = of_type(scene.events, ev.ExecutionSignedOff)
    assert (signed.by, signed.comment) == ("qa", "seen")
    assert of_type(scene.events, ev.ExecutionCompleted)[0].by == "chief"


def test_whoever_worked_there_before_cannot_sign() -> None:
    scene = Scene(graph(*SIGNED))
    scene.do("start", "chief")
    scene.do("release", "chief")
    scene.do("complete", "ann")
    assert scene.do("signoff", "chief").outcome == "self_signoff"
    assert scene.do("signoff", "qa").outcome == "completed"


def test_evidence_withdrawn_before_the_signature_blocks_it() -> None:
    scene = Scene(graph(step("a", requires_qa_signoff=True, requirements=[gate()]), end()))
    scene.give_evidence(scene.only)
    scene.do("complete")
    scene.withdraw_evidence(scene.only)
    assert scene.do("signoff", "qa").outcome == "requirements_unmet"
    assert kinds(scene.play(cmd.Recheck(ref=scene.only))) == ["execution_reopened"]
    assert (scene.token().status, scene.token().done_by) == (S.IN_PROGRESS, None)


def test_what_was_forced_still_wants_its_signature() -> None:
    scene = Scene(graph(step("a", requires_qa_signoff=True, requirements=[gate()]), end()))
    scene.do("complete", "sue", force="agreed with the customer")
    assert scene.do("signoff", "qa").outcome == "completed"
    first = of_type(scene.events, ev.SignoffAwaited)[0]
    assert first.forced == "agreed with the customer"
    assert of_type(scene.events, ev.ExecutionCompleted)[0].forced


def test_a_batch_is_signed_once() -> None:
    scene = Scene(graph(step("a", requires_qa_signoff=True, requires_batch_completion=True), end()), subjects=3)
    for subject in (0, 1):
        assert scene.do("complete", ref=Ref(subject, "a")).outcome == "awaiting_signoff"
    assert scene.do("signoff", "qa", Ref(0, "a")).outcome == "waiting"
    assert len(of_type(scene.events, ev.ExecutionSignedOff)) == 2
    assert scene.token(Ref(1, "a")).status is S.WAITING
    scene.do("complete", ref=Ref(2, "a"))
    assert scene.do("signoff", "qa", Ref(2, "a")).outcome == "completed"
    assert scene.state.status is InstanceStatus.COMPLETED


def test_one_own_work_in_the_batch_keeps_the_whole_signature_back() -> None:
    scene = Scene(graph(step("a", requires_qa_signoff=True, requires_batch_completion=True), end()), subjects=2)
    scene.do("complete", "chief", Ref(0, "a"))
    scene.do("complete", "ann", Ref(1, "a"))
    assert scene.do("signoff", "chief", Ref(1, "a")).outcome == "self_signoff"
    assert not of_type(scene.events, ev.ExecutionSignedOff)


def test_a_step_that_moves_by_itself_is_signed_too() -> None:
    scene = Scene(graph(step("a", requires_operator_completion=False, requires_qa_signoff=True), end()))
    scene.play(cmd.Recheck(ref=scene.only))
    assert scene.token().status is S.AWAITING_SIGNOFF
    assert not scene.state.hops
    assert scene.do("signoff", "chief").outcome == "completed"


def test_a_route_that_is_gone_at_the_signature_reopens_the_work() -> None:
    """It can come about only where the process was changed meanwhile."""
    parts = (
        step("a", is_decision_point=True, requires_qa_signoff=True),
        end("x"),
        end("y"),
        edge("a", "x"),
        edge("a", "y", "alternate"),
    )
    scene = Scene(graph(*parts))
    scene.do("complete", decision_result="fail")
    scene.graph = graph(*parts[:4], checked=False)
    assert scene.do("signoff", "qa").outcome == "decision_unknown"
    scene.graph = graph(step("a", requires_qa_signoff=True), end("x"), edge("a", "x", "alternate"), checked=False)
    assert scene.do("signoff", "qa").outcome == "no_route"
    assert scene.token().status is S.IN_PROGRESS
    assert scene.token().incident is not None


def test_a_batch_is_signed_lot_by_lot() -> None:
    scene = Scene(graph(step("a", requires_qa_signoff=True, requires_batch_completion=True), end()), subjects=2)
    split = cmd.Group(lot="L1", refs=(Ref(1, "a"),))
    scene.ask(cmd.Split(command_id="c", actor="sue", reason="a lot of its own", groups=(split,)))
    for subject in (0, 1):
        scene.do("complete", ref=Ref(subject, "a"))
    assert scene.do("signoff", "qa", Ref(0, "a")).outcome == "completed"
    assert [event.ref for event in of_type(scene.events, ev.ExecutionSignedOff)] == [Ref(0, "a")]
    assert scene.token(Ref(1, "a")).status is S.AWAITING_SIGNOFF

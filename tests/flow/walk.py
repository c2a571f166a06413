"""A walk through random commands, and what must hold after each of them."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from models.flow import commands as cmd
from models.flow import events as ev
from models.flow.batch import decide_all
from models.flow.carry import carry, restore
from models.flow.cohorts import pack, unpack
from models.flow.decide import decide
from models.flow.errors import REFUSALS, FlowError
from models.flow.evolve import apply, fold
from models.flow.facts import Computed, Deadlines
from models.flow.folding import fold_packed
from models.flow.graph import Step
from models.flow.incidents import INCIDENTS
from models.flow.policies import escalation_of
from models.flow.routing import POSITIVE, allowed_results
from models.flow.state import Ref, State
from models.flow.status import INSTANCE_CLOSED, WORKABLE, InstanceStatus
from models.flow.status import ExecutionStatus as S
from models.flow.transitions import MOVES
from tests.flow.scene import Scene, cancel, command, hold, resume
from tests.flow.strategies import WORDS

PEOPLE = ("ann", "bob", "sue", "qa", "chief", "guest")
REASON = "a deviation that was agreed"


def draw_walk(
    data: st.DataObject, scene: Scene, longest: int, kinds: Sequence[str] | None = None
) -> Iterator[cmd.Command]:
    """Commands one after the other, each drawn for the state that the one before left. The caller plays them."""
    for _ in range(data.draw(st.integers(longest // 3, longest), label="commands")):
        yield draw_action(data, scene, ANYTHING if kinds is None else kinds)


def draw_action(data: st.DataObject, scene: Scene, kinds: Sequence[str]) -> cmd.Command:
    """Mostly what sensible people do, sometimes anything at all; evidence comes and goes, the clock runs."""
    refs = sorted(scene.state.tokens)
    chance = data.draw(st.integers(0, 99), label="chance")
    if chance % 7 == 0:
        scene.pass_time(hours=chance % 31)
    if not refs or chance < 30:
        kind = data.draw(st.sampled_from(kinds), label="kind")
        return _build(data, scene, kind, refs)
    return _sensible(data, scene, data.draw(st.sampled_from(refs), label="ref"), chance)


ANYTHING = (
    "complete", "complete", "claim", "start", "release", "signoff", "recheck", "check_deadlines", "hold", "child",
    "begin", "odd", "withdraw", "skip", "move", "rewind", "add", "remove",
    "undo", "split", "merge", "incident",
    "reassign", "delegate", "hand_back", "snooze", "prioritise", "check_deadlines",
)  # fmt: skip

TOGETHER = tuple(kind for kind in ANYTHING if kind not in {"undo", "rewind", "remove", "incident"})
"""What may follow anything else within one batch: the past and the subjects are read before the batch, and an
incident is called by its place in the journal."""


def _sensible(data: st.DataObject, scene: Scene, ref: Ref, chance: int) -> cmd.Command:
    token, step = scene.state.tokens[ref], scene.graph.steps[ref.step]
    if scene.state.status is InstanceStatus.ON_HOLD:
        return resume()
    children = [child for child, of in scene.state.children.items() if of.ref == ref]
    if children:
        return cmd.NoteChildEnded(child_id=children[0], status="completed")
    if chance % 5:
        scene.give_evidence(ref)
    if token.status is S.AWAITING_SIGNOFF:
        return command("signoff", "qa", ref)
    if step.is_computed:
        _decide(data, scene, step)
    if step.is_engines:
        return _at_engines(data, scene, ref)
    if step.moves_by_itself and token.incident is None and not step.requires_explicit_start:
        return cmd.Recheck(ref=ref)
    who = token.assignee or data.draw(st.sampled_from(["ann", "sue", "chief"]), label="who")
    if step.requires_explicit_start and token.status is not S.IN_PROGRESS:
        return command("start", who, ref)
    words = [""] if step.is_computed else allowed_results(scene.graph, step) or [""]
    force = REASON if chance > 90 and who != "ann" else None
    return command("complete", who, ref, decision_result=data.draw(st.sampled_from(words), label="word"), force=force)


def _decide(data: st.DataObject, scene: Scene, step: Step) -> None:
    """Let facts find something else than before. A scene without a mailbox of its own always computes the same."""
    if scene.messages is None:
        return
    edges = scene.graph.edges[step.key]
    kinds = st.sampled_from(["words", "words", "words", "error"] if step.decision_type == "qa_result" else ["holds"])
    match data.draw(kinds, label="computed"):
        case "words":
            word = data.draw(st.sampled_from(["pass", "fail", *allowed_results(scene.graph, step)]), label="word")
            scene.computed[step.key] = Computed(words=(word,), shown=word)
        case "holds":
            conditional = [number for number, one in enumerate(edges) if one.condition]
            holds = data.draw(st.sets(st.sampled_from(conditional)) if conditional else st.just(set()), label="holds")
            scene.computed[step.key] = Computed(holds=tuple(sorted(holds)), shown="by its condition")
        case _:
            scene.computed[step.key] = Computed(error="it cannot be told")


def _at_engines(data: st.DataObject, scene: Scene, ref: Ref) -> cmd.Command:
    """What an engine's own step waits for comes, or fails, or does not come."""
    call = scene.state.calls.get(ref)
    if scene.state.tokens[ref].incident is not None:
        return command("complete", "sue", ref, force=REASON)
    if call is not None and not call.outcome:
        succeeded = data.draw(st.integers(0, 3), label="fails") > 0
        return cmd.NoteActionEnded(ref=ref, call_id=call.call_id, succeeded=succeeded, output={"status": 200})
    if scene.messages is not None and data.draw(st.booleans(), label="comes"):
        scene.messages.add(ref)
        scene.pass_time(hours=1)
    return cmd.Recheck(ref=ref)


def _build(data: st.DataObject, scene: Scene, kind: str, refs: list[Ref]) -> cmd.Command:
    actor = data.draw(st.sampled_from(PEOPLE), label="actor")
    ref = data.draw(st.sampled_from(refs or [Ref(0, "s0")]), label="ref")
    match kind:
        case "complete":
            return _complete(data, scene, actor, ref)
        case "claim" | "start" | "release" | "signoff":
            return command(kind, actor, ref)
        case "recheck":
            return cmd.Recheck(ref=ref)
        case "check_deadlines":
            return cmd.CheckDeadlines(ref=ref, now=scene.now)
        case "reassign" | "delegate":
            return _pass_on(data, kind, actor, ref)
        case "hand_back":
            return command(kind, actor, ref)
        case "snooze":
            later = scene.now + timedelta(hours=data.draw(st.integers(-1, 30), label="later"))
            marks = (later,) * len(scene.token(ref).marks) if ref in scene.state.tokens else ()
            scene.snoozed[ref, later.isoformat()] = Deadlines(due_at=later, marks=marks)
            return command(kind, actor, ref, until=later.isoformat(), reason="waits for steel")
        case "prioritise":
            return command(kind, actor, ref, priority=3)
        case "hold":
            return hold(actor)
        case "resume":
            return resume(actor)
        case "withdraw":
            scene.unmet.update({ref} if scene.graph.steps[ref.step].mandatory and refs else ())
            return cmd.Recheck(ref=ref)
        case "undo":
            return _undo(data, scene, actor)
        case "split" | "merge":
            return _lots(data, scene, kind, refs)
        case "incident":
            return _incident(data, scene, actor, ref)
        case "skip" | "move" | "rewind" | "add" | "remove":
            return _deviation(data, scene, kind, actor, ref)
        case "begin":
            return cmd.Begin(subjects=2)
        case "child":
            return _child(data, scene)
        case _:
            return _odd(data, actor)


def _pass_on(data: st.DataObject, kind: str, actor: str, ref: Ref) -> cmd.Command:
    anybody = ["ann", "bob", "chief"] + ([None] if kind == "reassign" else [])
    to = data.draw(st.sampled_from(anybody), label="to")
    return command(kind, actor, ref, to=to, reason=data.draw(st.sampled_from([REASON, "short"]), label="reason"))


def _complete(data: st.DataObject, scene: Scene, actor: str, ref: Ref) -> cmd.Command:
    known = allowed_results(scene.graph, scene.graph.steps[ref.step])
    words = [*known, *known, *known, "pass", "NO", "", *WORDS]
    result = data.draw(st.sampled_from(words), label="result")
    force = data.draw(st.sampled_from([None, None, None, REASON, "short"]), label="force")
    return command("complete", actor, ref, decision_result=result, force=force)


def _deviation(data: st.DataObject, scene: Scene, kind: str, actor: str, ref: Ref) -> cmd.Command:
    actor = data.draw(st.sampled_from(["sue", "sue", "chief", actor]), label="supervisor")
    reason = data.draw(st.sampled_from([REASON, REASON, REASON, "short"]), label="reason")
    step = data.draw(st.sampled_from([*scene.graph.steps, *scene.graph.steps, "ghost"]), label="to")
    second = data.draw(st.sampled_from([None, "chief", "ann"]), label="second person")
    match kind:
        case "skip":
            to_step = data.draw(st.sampled_from([None, None, step]), label="skip to")
            words = [*allowed_results(scene.graph, scene.graph.steps[ref.step]), "", "pass"]
            word = data.draw(st.sampled_from(words), label="word")
            return command(kind, actor, ref, reason=reason, to_step=to_step, decision_result=word, confirmed_by=second)
        case "move" | "rewind":
            return command(kind, actor, ref, reason=reason, to_step=step, confirmed_by=second)
        case "add":
            names = tuple(f"new{len(scene.events)}-{number}" for number in range(data.draw(st.integers(1, 2))))
            to_step = data.draw(st.sampled_from([None, step]), label="join at")
            return cmd.AddSubjects(command_id="add", actor=actor, reason=reason, subject_ids=names, to_step=to_step)
        case _:
            names = (data.draw(st.sampled_from([*sorted(scene.facts().numbers), "nobody"]), label="who"),)
            return cmd.RemoveSubjects(command_id="remove", actor=actor, reason=reason, subject_ids=names)


def _undo(data: st.DataObject, scene: Scene, actor: str) -> cmd.Command:
    """Mostly the last completion; sometimes any, sometimes too late."""
    done = [event.ref for event in scene.events if isinstance(event, ev.ExecutionCompleted)]
    ref = data.draw(st.sampled_from([*done[-1:] * 4, *done, Ref(0, "s0")]), label="undone")
    who = data.draw(st.sampled_from(["sue", "chief", actor]), label="who undoes")
    return command("undo", who, ref, reason=REASON)


def _lots(data: st.DataObject, scene: Scene, kind: str, refs: list[Ref]) -> cmd.Command:
    chosen = data.draw(st.lists(st.sampled_from(refs or [Ref(0, "s0")]), min_size=1, max_size=3, unique=True))
    given: dict[str, Any] = {"command_id": kind, "actor": "sue", "reason": REASON}
    if kind == "merge":
        lots = tuple(data.draw(st.lists(st.sampled_from(["x", "y"]), max_size=2), label="lots"))
        return cmd.Merge(refs=tuple(chosen), lots=lots, into=data.draw(st.sampled_from(["", "x"])), **given)
    to_step = data.draw(st.sampled_from([None, None, *scene.graph.steps]), label="lot goes to")
    word = data.draw(st.sampled_from(["", "", "pass", "no"]), label="lot's word")
    parts = [chosen[:1], chosen[1:]]
    groups = [
        cmd.Group(lot=lot, refs=tuple(part), to_step=to_step, decision_result=word)
        for lot, part in zip("xy", parts, strict=True)
        if part
    ]
    return cmd.Split(groups=tuple(groups), **given)


def _incident(data: st.DataObject, scene: Scene, actor: str, ref: Ref) -> cmd.Command:
    stopped = [(one, token.incident) for one, token in scene.state.tokens.items() if token.incident]
    at, incident = data.draw(st.sampled_from([*stopped, (ref, "none")]), label="incident")
    who = data.draw(st.sampled_from(["sue", actor]), label="who resolves")
    if data.draw(st.booleans(), label="again"):
        return cmd.RetryIncident(command_id="retry", actor=who, ref=at, incident_id=str(incident), code="no_route")
    return cmd.ResolveIncident(command_id="resolve", actor=who, ref=at, incident_id=str(incident), note=REASON)


def _child(data: st.DataObject, scene: Scene) -> cmd.Command:
    child = data.draw(st.sampled_from([*sorted(scene.state.children), "nobody"]), label="child")
    if data.draw(st.booleans(), label="ended"):
        return cmd.NoteChildEnded(child_id=child, status="completed")
    return cmd.NoteChildStarted(child_id=child)


def _odd(data: st.DataObject, actor: str) -> cmd.Command:
    ref = Ref(data.draw(st.integers(-1, 9)), data.draw(st.sampled_from(["s0", "end", "ghost"])), 7)
    return data.draw(
        st.sampled_from(
            [
                command("claim", actor, ref),
                cmd.Recheck(ref=ref),
                cmd.Amend(command_id="m", actor=actor, changes={"name": "n"}),
                cancel(actor) if ref.subject == -1 else hold(actor, reason=" "),
            ]
        ),
        label="odd",
    )


def check_decision(scene: Scene, asked: cmd.Command) -> None:
    """Deciding changes nothing given; a refusal has a known code; an illegal command moves nothing."""
    before, state = scene.state.copy(), scene.state
    facts = scene.facts()
    code = _refusal(scene, asked)
    assert code is None or code in REFUSALS
    assert code is None or asked.command_id is not None, "an internal command is never refused"
    assert state == before
    decision = decide_all(scene.graph, state, [asked], facts, scene.now)
    assert state == before
    refused = [one for one in decision.outcomes if one.refused]
    if refused:
        allowed: tuple[type, ...] = (ev.CommandRefused,)
        if refused[0].outcome in INCIDENTS:
            allowed = (ev.CommandRefused, ev.IncidentOpened, ev.ExecutionReopened)
        assert all(isinstance(item.event, allowed) for item in decision.happened)
    assert len(decision.outcomes) == (asked.command_id is not None)


def _refusal(scene: Scene, asked: cmd.Command) -> str | None:
    try:
        decide(scene.graph, scene.state, asked, scene.facts(), scene.now)
    except FlowError as error:
        return error.code
    return None


def check_moves(scene: Scene, asked: cmd.Command) -> None:
    """Every change of status is an arrow of the diagram."""
    state = scene.state.copy()
    for item in scene.decide(asked).happened:
        ref = getattr(item.event, "ref", None)
        before = state.tokens.get(ref) if ref else None
        apply(state, item.event)
        after = state.tokens.get(ref) if ref else None
        if isinstance(item.event, ev.ExecutionRestored):
            assert after is not None
            assert after.status in {move.after for move in MOVES if move.before is S.COMPLETED}
        if before is None or (after is not None and after.status is before.status):
            continue
        reached = {move.after for move in MOVES if (move.before, move.event) == (before.status, item.event.kind)}
        assert reached & ({after.status} if after else CLOSED), (before.status, item.event)


CLOSED = {S.COMPLETED, S.CANCELLED, S.SKIPPED, S.ROLLED_BACK}


def check_repeat(scene: Scene, asked: cmd.Command) -> None:
    """The same command again, seen after it took effect, leaves every execution as it is."""
    decision = scene.decide(asked)
    after = fold(scene.state, (item.event for item in decision.happened))
    assert after == scene.state


def check_packing(scene: Scene, asked: cmd.Command) -> None:
    """Packed events fold to the same state, each subject's in the same order, each with its command."""
    happened = scene.decide(asked).happened
    packed = pack(happened)
    unpacked = list(unpack(packed))
    assert fold_packed(scene.state, packed) == fold(scene.state, (i.event for i in happened))
    assert fold(scene.state, (item.event for item in unpacked)) == fold(scene.state, (i.event for i in happened))
    assert _by_subject(unpacked) == _by_subject(happened)


def _by_subject(happened: Any) -> dict[int | None, list[Any]]:
    found: dict[int | None, list[Any]] = {}
    for item in happened:
        ref = getattr(item.event, "ref", None)
        found.setdefault(None if ref is None else ref.subject, []).append(item)
    return found


def check_state(scene: Scene) -> None:
    """What holds in every state that can be reached."""
    state = scene.state
    assert fold(State(instance_id=state.instance_id, seq=state.seq), scene.events) == state
    assert restore(json.loads(json.dumps(carry(state)))) == state
    places = Counter((ref.subject, ref.branch) for ref in state.tokens)
    assert set(places.values()) <= {1}, "a subject is at one place in each branch"
    under_way = {ref.subject for ref in state.tokens}
    assert len(under_way) + sum(state.finished.values()) == state.subjects, "no subject is lost"
    assert state.arrived.keys() <= under_way, "a branch waits only while another one is open"
    _check_branches(state)
    assert (state.status in INSTANCE_CLOSED) == (not state.tokens), "the instance ends with its last execution"
    assert (state.status is InstanceStatus.ON_HOLD) == (state.held_at is not None)
    assert state.hops.keys() <= state.tokens.keys()
    if not state.tokens:
        assert not state.hops
    _check_batches(state)
    _check_incidents(scene)
    _check_visits(scene)
    _check_clock(scene)


def _check_branches(state: State) -> None:
    """Who is in a branch is in none that contains it, and none that has come to its join."""
    for subject, refs in state.forked.items():
        assert refs == tuple(sorted(ref for ref in state.tokens if ref.subject == subject and ref.branch))
        names = [ref.branch for ref in refs] + [one.branch for one in state.arrived.get(subject, ())]
        assert not any(other.startswith(f"{name}/") for name in names for other in names if other != name)
        assert all(ref.branch for ref in state.tokens if ref.subject == subject), "whoever is forked is nowhere else"
        assert not {ref.branch for ref in refs} & {one.branch for one in state.arrived.get(subject, ())}
    assert {ref.subject for ref in state.tokens if ref.branch} == state.forked.keys()
    assert state.calls.keys() <= state.tokens.keys()


def _check_batches(state: State) -> None:
    busy = Counter((ref.step, token.lot) for ref, token in state.tokens.items() if token.status is not S.WAITING)
    assert state.busy == busy
    for ref, token in state.tokens.items():
        if token.status is S.WAITING and not busy[ref.step, token.lot]:
            looked_at = [one for one, _ in state.at_step(ref.step, token.lot) if one in state.hops]
            assert looked_at, "a batch of which all are ready goes on"


def _check_incidents(scene: Scene) -> None:
    opened = {e.incident_id: e.ref for e in scene.events if isinstance(e, ev.IncidentOpened)}
    resolved = [e.incident_id for e in scene.events if isinstance(e, ev.IncidentResolved)]
    assert len(resolved) == len(set(resolved))
    current = {token.incident for token in scene.state.tokens.values() if token.incident}
    assert current == opened.keys() - set(resolved), "an incident lasts until it is resolved"
    assert all(token.status in WORKABLE for token in scene.state.tokens.values() if token.incident)


def _check_visits(scene: Scene) -> None:
    """Never above `max_visits` but by a deviation, not counting what was rolled back, and numbered without gaps.

    Limits are those of the version since the last migration; what was before it had its own.
    """
    since = max((n for n, event in enumerate(scene.events) if isinstance(event, ev.InstanceMigrated)), default=0)
    seen: Counter[tuple[int, str]] = Counter()
    uncounted: Counter[tuple[int, str]] = Counter()
    forced: set[int] = set()
    for number, event in enumerate(scene.events):
        match event:
            case ev.ExecutionDiverted(ref=ref, status=status):
                uncounted[ref.subject, ref.step] += status == "rolled_back"
                forced.add(ref.subject)
            case ev.VisitRolledBack(ref=ref):
                uncounted[ref.subject, ref.step] += 1
            case ev.ExecutionRestored(ref=ref) | ev.LotChanged(ref=ref):
                forced.add(ref.subject)
            case ev.ExecutionCompleted(ref=ref):
                (forced.add if event.forced else forced.discard)(ref.subject)
            case ev.ExecutionEntered(ref=ref):
                limit = scene.graph.steps[ref.step].max_visits if number >= since else None
                if limit is not None and ref.subject not in forced:
                    assert seen[ref.subject, ref.step] - uncounted[ref.subject, ref.step] < limit
                uncounted[ref.subject, ref.step] += not event.counts
                seen[ref.subject, ref.step] += 1
                assert ref.visit == seen[ref.subject, ref.step]
            case _:
                pass


def _check_clock(scene: Scene) -> None:
    """Each reminder and level comes once and in its order, also where a completion between them was undone.

    Which there are is the policy's word; after a migration that of the version under which the execution was entered.
    """
    told: dict[Ref, int] = {}
    for event in scene.events:
        match event:
            case ev.ExecutionEntered(ref=ref) | ev.DueChanged(ref=ref):
                told[ref] = 0
            case ev.ReminderSent(ref=ref, mark=mark) | ev.ExecutionEscalated(ref=ref, mark=mark):
                assert mark == told[ref]
                told[ref] += 1
            case _:
                pass
    for ref, token in scene.state.tokens.items():
        assert token.mark == told[ref]
        if not scene.state.process_id:
            policy = escalation_of(scene.graph.steps[ref.step])
            moments = len(policy.remind_before) + len(policy.levels)
            assert len(token.marks) == (moments if token.due_at is not None else 0)


PATIENCE = 40
"""Turns until a supervisor stops following escalations in a circle of full steps and forces each step."""


def lead_to_the_end(scene: Scene) -> None:
    """Do what sensible people would do next, until the instance is over. Fails where it gets stuck."""
    if scene.state.status is InstanceStatus.ON_HOLD:
        scene.ask(resume())
    far = _distances(scene)
    for turn in range(400):
        if scene.state.status in INSTANCE_CLOSED:
            return
        before = scene.state.copy()
        for ref in sorted(scene.state.tokens):
            if ref in scene.state.tokens:
                _next_move(scene, ref, far, REASON if turn > PATIENCE else None)
        assert scene.state != before, f"stuck: {scene.state.tokens}"
    raise AssertionError(f"goes on for ever: {scene.state.tokens}")


def _next_move(scene: Scene, ref: Ref, far: dict[str, int], force: str | None) -> None:
    token, step = scene.state.tokens[ref], scene.graph.steps[ref.step]
    for child in [child for child, of in scene.state.children.items() if of.ref == ref]:
        scene.play(cmd.NoteChildEnded(child_id=child, status="completed"))
    scene.give_evidence(ref)
    if step.is_engines:
        _let_engine_go_on(scene, ref, force)
    elif token.status is S.WAITING and ref in scene.state.hops:
        scene.play(cmd.Recheck(ref=ref))
    elif token.status is S.AWAITING_SIGNOFF:
        scene.play(cmd.SignOff(command_id="signoff", actor="qa", ref=ref))
    elif token.status in WORKABLE:
        who = token.assignee or "sue"
        if token.owner is not None:
            scene.do("hand_back", who, ref)
            who = token.owner
        if who not in ("sue", "chief"):
            scene.do("release", who, ref)
            who = "sue"
        if step.requires_explicit_start:
            scene.do("start", who, ref)
        _finish(scene, ref, who, _best_word(scene, step, far), force)


def _let_engine_go_on(scene: Scene, ref: Ref, force: str | None) -> None:
    if scene.state.tokens[ref].incident is not None or force is not None:
        assert scene.do("complete", "sue", ref, force=REASON).refused is False
        return
    scene.pass_time(hours=3)
    if scene.messages is not None:
        scene.messages.add(ref)
    scene.play(cmd.Recheck(ref=ref))
    call = scene.state.calls.get(ref)
    if call is not None and not call.outcome:
        scene.play(cmd.NoteActionEnded(ref=ref, call_id=call.call_id, succeeded=True))


def _finish(scene: Scene, ref: Ref, who: str, word: str, force: str | None) -> None:
    step = scene.graph.steps[ref.step]
    if step.is_computed:
        scene.computed[step.key] = Computed(words=(word,), shown=word)
        if step.decision_type == "expression":
            edges = scene.graph.edges[step.key]
            scene.computed[step.key] = Computed(holds=tuple(n for n, e in enumerate(edges) if e.condition == word))
        word = ""
    if step.moves_by_itself and force is None and scene.state.tokens[ref].incident is None:
        scene.play(cmd.Recheck(ref=ref))
    elif scene.do("complete", who, ref, decision_result=word, force=force).outcome == "visit_limit_reached":
        assert scene.state.tokens[ref].incident is not None
        assert scene.do("complete", who, ref, decision_result=word, force=REASON).refused is False


def _best_word(scene: Scene, step: Step, far: dict[str, int]) -> str:
    if not step.is_decision_point:
        return ""
    edges = [e for e in scene.graph.edges[step.key] if e.edge_type != "escalation"]
    best = min(edges, key=lambda e: far[e.to_step])
    if step.decision_type == "expression":
        return best.condition
    return best.condition or (min(POSITIVE) if best.edge_type == "default" else "no")


def _distances(scene: Scene) -> dict[str, int]:
    """Steps to an end, counting only ways that nobody has to be full for."""
    found = {key: 0 for key, step in scene.graph.steps.items() if step.is_terminal}
    last = tuple(scene.graph.steps)[-1]
    found.setdefault(last, 0)
    for _ in scene.graph.steps:
        for key, step in scene.graph.steps.items():
            targets = [e.to_step for e in scene.graph.edges.get(key, ()) if e.edge_type != "escalation"]
            after = scene.graph.following(key)
            if not targets and after is not None and not step.is_terminal:
                targets = [after.key]
            near = [found[target] for target in targets if target in found]
            if near and key not in found:
                found[key] = min(near) + 1
    return {key: found.get(key, len(scene.graph.steps)) for key in scene.graph.steps}

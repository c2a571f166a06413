"""Builders for table tests: graphs in few words, and a scene that plays commands and keeps state and facts.

The scene is the shell without Temporal and PostgreSQL: facts are what its own events say, plus what a test sets.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeGuard

from models.flow import commands as cmd
from models.flow import events as ev
from models.flow.authority import PERMISSIONS as DEVIATIONS
from models.flow.batch import Decision, Outcome, decide_all
from models.flow.cohorts import pack, unpack
from models.flow.evolve import apply, fold
from models.flow.facts import (
    Assigned,
    Barred,
    Child,
    Computed,
    Deadlines,
    Done,
    EndedChild,
    Facts,
    Past,
    SentBack,
    Successor,
    Target,
    Unmet,
    Visits,
)
from models.flow.graph import Graph, Step, StepType, parse_graph, timer_of
from models.flow.policies import escalation_of
from models.flow.state import Ref, State, Token
from models.flow.status import ExecutionStatus
from models.flow.timing import late
from models.flow.validate import problems_of
from tests.flow.well_formed import check_event, check_refusal

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
INSTANCE = "6f1e1c9e-3f0e-4a43-9c39-0d4e9a3f0001"

WORK = frozenset({"execution.work"})
SUPERVISOR = frozenset(
    {"instance.control", "instance.migrate", "execution.reassign", "ops.incident_resolve", *DEVIATIONS.values()}
)
PERMISSIONS = {
    "ann": WORK,
    "bob": WORK,
    "sue": WORK | SUPERVISOR,
    "qa": frozenset({"execution.signoff"}),
    "chief": WORK | SUPERVISOR | {"execution.signoff"},
    "guest": frozenset(),
}
NAMES = {"ann": "Ann Archer", "bob": "Bob Baker"}

Json = dict[str, Any]


def step(key: str, /, **settings: Any) -> Json:
    """A task step."""
    return {"key": key, "name": key.upper(), **settings}


def end(key: str = "end", status: str = "", **settings: Any) -> Json:
    """A terminal step."""
    return step(key, **{"is_terminal": True, "terminal_status": status, **settings})


def gate(key: str | None = "gate", **settings: Any) -> Json:
    """A requirement that the scene holds unmet until `give_evidence`."""
    return {"key": key, "requirement_type": "custom", "name": (key or "gate").title(), **settings}


def edge(from_step: str, to_step: str, edge_type: str = "default", condition: str = "", **more: Any) -> Json:
    """A way on."""
    return {"from_step": from_step, "to_step": to_step, "edge_type": edge_type, "condition": condition, **more}


def graph(*parts: Json, checked: bool = True) -> Graph:
    """A graph of steps and edges, which must be valid."""
    raw = raw_graph(*parts)
    if checked:
        assert problems_of(raw) == ()
    return parse_graph(raw)


def raw_graph(*parts: Json) -> Json:
    """Steps and edges, told apart by what they have."""
    return {
        "steps": [part for part in parts if "from_step" not in part],
        "edges": [part for part in parts if "from_step" in part],
    }


LINE = (step("a"), step("b"), end())
"""Two tasks and an end."""


@dataclass
class Scene:
    """An instance that a test plays with.

    Attributes:
        computed: step key → what facts compute there; without an entry a decision says `pass` and a timer an hour.
        messages: executions for which a message has come; None: for all.
    """

    graph: Graph
    subjects: int = 1
    state: State = field(default_factory=lambda: State(instance_id=INSTANCE))
    now: datetime = NOW
    unmet: set[Ref] = field(default_factory=set)
    sent_back: dict[Ref, SentBack] = field(default_factory=dict)
    approvers: dict[Ref, frozenset[str]] = field(default_factory=dict)
    barred: dict[Ref, Barred] = field(default_factory=dict)
    assigned: dict[tuple[int, str], Assigned] = field(default_factory=dict)
    escalated_to: dict[tuple[Ref, int], str] = field(default_factory=dict)
    snoozed: dict[tuple[Ref, str], Deadlines] = field(default_factory=dict)
    stand_ins: dict[str, frozenset[str]] = field(default_factory=dict)
    child_problems: dict[tuple[int, str, str], str] = field(default_factory=dict)
    ended: dict[str, EndedChild] = field(default_factory=dict)
    context: Json = field(default_factory=dict)
    computed: dict[str, Computed] = field(default_factory=dict)
    messages: set[Ref] | None = field(default_factory=set)
    events: list[ev.Event] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    target: Target | None = None
    _commands: int = 0
    _left: dict[Ref, tuple[int, int, Token]] = field(default_factory=dict)
    """Where the completion of an execution stands in `events`, in which record, and what it was until then."""

    def __post_init__(self) -> None:
        """Begin."""
        if self.subjects:
            self.play(cmd.Begin(subjects=self.subjects))

    def play(self, *commands: cmd.Command) -> tuple[ev.Event, ...]:
        """Decide in one batch, fold what would be recorded, and return it."""
        decision = self.decide(*commands)
        for item in decision.happened:
            check_event(item.event, self.now)
        for outcome in decision.outcomes:
            if outcome.refused:
                check_refusal(outcome)
        recorded = [item.event for item in unpack(pack(decision.happened))]
        before, self.state = self.state, self.state.copy()
        self.state.seq += bool(recorded)
        for place, event in enumerate(recorded, start=len(self.events)):
            if isinstance(event, ev.ExecutionCompleted):
                self._left[event.ref] = place, self.state.seq, self.state.tokens[event.ref]
            apply(self.state, event)
        self.events += recorded
        self.outcomes += decision.outcomes
        self._open_gates(recorded)
        assert before.seq + bool(recorded) == self.state.seq
        return tuple(item.event for item in decision.happened)

    def happen(self, *events: ev.Event) -> None:
        """Something happened without a command."""
        self.state = fold(self.state, events)
        self.events += events

    def ring(self) -> tuple[ev.Event, ...]:
        """Look at whatever the clock has something to say about."""
        found = self.play(*(cmd.CheckDeadlines(ref=ref, now=self.now) for ref in late(self.state, self.now)))
        assert not set(late(self.state, self.now)) - {one.ref for one in found if isinstance(one, ev.ExecutionEntered)}
        return found

    def decide(self, *commands: cmd.Command) -> Decision:
        """What would happen."""
        return decide_all(self.graph, self.state, commands, self.facts(), self.now)

    def play_events(self, *events: ev.Event) -> None:
        """Let something have happened that no command of this scene leads to."""
        self.state = fold(self.state, events)
        self.events += events

    def facts(self) -> Facts:
        """What an honest reader of the journal would say."""
        return Facts(
            permissions=PERMISSIONS,
            names=NAMES,
            unmet={ref: _why(ref) for ref in self.unmet if ref in self.state.tokens},
            sent_back=self.sent_back,
            workers=self._workers(),
            approvers=self.approvers,
            visits=self._visits(),
            deadlines={step.key: self._deadline(step) for step in (self.target or self).graph.steps.values()},
            barred=self.barred,
            assigned=self.assigned,
            escalated_to=self.escalated_to,
            snoozed=self.snoozed,
            stand_ins=self.stand_ins,
            computed=_Lazily(self.compute),
            closed=self._closed(),
            past=self._past(),
            done=self._done(),
            numbers=self._numbers(),
            target=self.target,
            child_problems=self.child_problems,
            children=self._children(),
            incidents={event.ref: event.code for event in of_type(self.events, ev.IncidentOpened)},
            ended=self.ended,
            context=self.context,
        )

    def compute(self, ref: Ref) -> Computed | None:
        """What facts compute for an execution whose step asks for it."""
        step = self.graph.steps[ref.step]
        if step.step_type == StepType.MESSAGE:
            came = self.messages is None or ref in self.messages
            awaited = any(isinstance(one, ev.MessageAwaited) and one.ref == ref for one in self.events)
            found = Computed(name="paid", key=f"o-{ref.subject}", awaited=awaited, message_id="m" if came else "")
        elif step.is_computed:
            found = Computed(words=("pass",), shown="pass")
        elif step.step_type == StepType.TIMER and step.config.get("timer"):
            found = Computed(wake_at=self.now + timedelta(hours=1))
        elif step.step_type == StepType.AUTOMATIC and step.config["action"]["type"] == "expression":
            found = Computed(context={f"seen.{ref.step}": ref.subject})
        else:
            return None
        return self.computed.get(ref.step, found)

    def do(self, kind: str, actor: str = "ann", ref: Ref | None = None, **more: Any) -> Outcome:
        """One command of a person on one execution (default: the only one there is)."""
        return self.ask(command(kind, actor, self.only if ref is None else ref, **more))

    def ask(self, asked: cmd.Command) -> Outcome:
        """One command under an id of its own; its outcome."""
        self.play(asked)
        return self.outcomes[-1]

    def migrate(self, graph: Graph, **steps: str | None) -> Outcome:
        """Go on under another version; its outcome."""
        self.target = Target(process_id="v2", from_process_id=self.state.process_id or "v1", graph=graph)
        asked = migrate(from_process_id=self.target.from_process_id, steps=steps)
        outcome = self.ask(asked)
        if not outcome.refused:
            self.graph = graph
        self.target = None
        return outcome

    @property
    def only(self) -> Ref:
        """The only open execution."""
        (ref,) = self.state.tokens
        return ref

    def token(self, ref: Ref | None = None) -> Token:
        """An open execution."""
        return self.state.tokens[self.only if ref is None else ref]

    def places(self) -> dict[int, str]:
        """Subject → step, of what is open."""
        return {ref.subject: ref.step for ref in sorted(self.state.tokens)}

    def pass_time(self, **by: float) -> None:
        """Let the clock run."""
        self.now += timedelta(**by)

    def give_evidence(self, *refs: Ref) -> None:
        """Meet the gates of executions."""
        self.unmet.difference_update(refs)

    def withdraw_evidence(self, *refs: Ref) -> None:
        """Open them again."""
        self.unmet.update(refs)

    def _open_gates(self, recorded: Iterable[ev.Event]) -> None:
        for event in recorded:
            if isinstance(event, ev.ExecutionEntered) and ((self.target or self).graph.steps[event.ref.step].mandatory):
                self.unmet.add(event.ref)
            if isinstance(event, ev.ChildEnded):
                self.unmet.discard(event.ref)

    def _visits(self) -> dict[tuple[int, str], Visits]:
        found: dict[tuple[int, str], Visits] = {}
        for event in self.events:
            if isinstance(event, ev.ExecutionEntered):
                place = (event.ref.subject, event.ref.step)
                before = found.get(place, Visits())
                found[place] = Visits(last=before.last + 1, counted=before.counted + event.counts)
            elif _is_rolled_back(event):
                place = (event.ref.subject, event.ref.step)
                found[place] = replace(found[place], counted=found[place].counted - 1)
        return found

    def _workers(self) -> dict[Ref, frozenset[str]]:
        found: dict[Ref, frozenset[str]] = {}
        for event in self.events:
            if isinstance(event, ev.ExecutionClaimed | ev.ExecutionStarted | ev.SignoffAwaited | ev.BatchAwaited) and (
                event.by is not None
            ):
                found[event.ref] = found.get(event.ref, frozenset()) | {event.by}
        return found

    def _children(self) -> dict[Ref, dict[str, tuple[Child, ...]]]:
        ends = {event.child_id: event.status for event in of_type(self.events, ev.ChildEnded)}
        found: dict[Ref, dict[str, tuple[Child, ...]]] = {}
        for event in of_type(self.events, ev.ChildRequested):
            child = Child(number=event.number, status=ends.get(event.child_id, "in_progress"))
            of_step = found.setdefault(event.ref, {})
            of_step[event.requirement] = (*of_step.get(event.requirement, ()), child)
        return found

    def _closed(self) -> dict[Ref, str]:
        found: dict[Ref, str] = {}
        for event in self.events:
            if isinstance(event, ev.ExecutionCompleted):
                found[event.ref] = "completed"
            elif isinstance(event, ev.ExecutionCancelled):
                found[event.ref] = "cancelled"
            elif isinstance(event, ev.ExecutionDiverted):
                found[event.ref] = event.status
            elif isinstance(event, ev.VisitRolledBack):
                found[event.ref] = "rolled_back"
            elif isinstance(event, ev.ExecutionRestored):
                del found[event.ref]
        return found

    def _past(self) -> dict[tuple[int, str], Past]:
        """From the last visit of each subject to each step that counts: what is over."""
        closed = self._closed()
        found: dict[tuple[int, str], Past] = {}
        for event in self.events:
            if isinstance(event, ev.ExecutionEntered) and closed.get(event.ref) != "rolled_back":
                over = (event.ref,) if event.ref in closed else ()
                mine = {key: past for key, past in found.items() if key[0] == event.ref.subject}
                found.update({key: replace(past, since=(*past.since, *over)) for key, past in mine.items()})
                found[event.ref.subject, event.ref.step] = Past(visit=event.ref, since=over)
        return found

    def _done(self) -> dict[Ref, Done]:
        """Everything that is completed, as it was, with what its subject entered since."""
        closed = self._closed()
        found: dict[Ref, Done] = {}
        migrated = max((n for n, event in enumerate(self.events) if isinstance(event, ev.InstanceMigrated)), default=-1)
        for ref, (place, record, token) in self._left.items():
            if place < migrated:
                continue  # a migration was built on it
            completed = self.events[place]
            assert isinstance(completed, ev.ExecutionCompleted)
            together = [
                other
                for other, (_, other_record, _) in self._left.items()
                if other != ref and (other.step, other_record) == (ref.step, record)
            ]
            batched = self.graph.steps[ref.step].requires_batch_completion
            found[ref] = Done(
                at=completed.at,
                by=completed.by,
                assignee=token.assignee,
                due_at=token.due_at,
                limit_at=token.limit_at,
                overdue=token.overdue,
                limit_passed=any(one.ref == ref for one in of_type(self.events, ev.LimitExceeded)),
                wake_at=token.wake_at,
                attempts=sum(one.ref == ref for one in of_type(self.events, ev.ActionRequested)),
                marks=token.marks,
                mark=token.mark,
                lot=token.lot,
                successors=self._successors(ref, closed),
                with_it=tuple(s for other in together for s in self._successors(other, closed)) if batched else (),
                ended_as=self._end_of(ref.subject),
            )
        return found

    def _successors(self, ref: Ref, closed: dict[Ref, str]) -> tuple[Successor, ...]:
        entered = [
            event.ref
            for event in self.events[self._left[ref][0] :]
            if isinstance(event, ev.ExecutionEntered) and event.ref.subject == ref.subject
        ]
        return tuple(
            Successor(ref=one, open=one in self.state.tokens, built_on=self._built_on(one))
            for one in entered
            if closed.get(one) != "rolled_back"
        )

    def _built_on(self, ref: Ref) -> str:
        token = self.state.tokens.get(ref)
        return "" if token is None or token.status is ExecutionStatus.PENDING else token.status.value

    def _end_of(self, subject: int) -> str | None:
        ended: str | None = None
        for event in self.events:
            if isinstance(event, ev.SubjectFinished) and event.ref.subject == subject:
                ended = event.terminal_status
            elif isinstance(event, ev.SubjectResumed) and event.ref.subject == subject:
                ended = None
        return ended

    def _numbers(self) -> dict[str, int]:
        """The subjects of the beginning are called s0, s1, …; those that joined have names of their own."""
        names = {f"s{number}": number for number in range(self.subjects)}
        for event in self.events:
            if isinstance(event, ev.SubjectsAdded):
                names |= {name: event.first + place for place, name in enumerate(event.subject_ids)}
        return names

    def _deadline(self, at: Step) -> Deadlines:
        policy = escalation_of(at)
        due = self.now + at.expected_duration if at.expected_duration else None
        reminders = [due - one for one in policy.remind_before] if due else []
        return Deadlines(
            due_at=due,
            limit_at=self.now + at.max_duration if at.max_duration else None,
            marks=(*reminders, *(due + level.after for level in policy.levels)) if due else (),
            wake_at=self.now + wait if (wait := timer_of(at)) else None,
        )


def _is_rolled_back(event: ev.Event) -> TypeGuard[ev.VisitRolledBack | ev.ExecutionDiverted]:
    return isinstance(event, ev.VisitRolledBack) or (
        isinstance(event, ev.ExecutionDiverted) and event.status == "rolled_back"
    )


class _Lazily(dict[Ref, Computed]):
    """Facts of executions as they are asked for, also of those that a batch enters."""

    def __init__(self, compute: Callable[[Ref], Computed | None]) -> None:
        super().__init__()
        self._compute = compute

    def get(self, ref: Ref, default: Any = None) -> Any:
        """What is computed for it."""
        found = self._compute(ref)
        return default if found is None else found


def _why(ref: Ref) -> tuple[Unmet, ...]:
    return (Unmet(requirement_id=f"{ref.step}-gate", key="gate", name="Gate", reason="nothing was given"),)


KINDS: dict[str, Any] = {
    "claim": cmd.Claim,
    "start": cmd.Start,
    "complete": cmd.Complete,
    "release": cmd.Release,
    "signoff": cmd.SignOff,
    "skip": cmd.Skip,
    "move": cmd.Move,
    "rewind": cmd.Rewind,
    "undo": cmd.Undo,
    "reassign": cmd.Reassign,
    "delegate": cmd.Delegate,
    "hand_back": cmd.HandBack,
    "snooze": cmd.Snooze,
    "prioritise": cmd.Prioritise,
    "retry_child": cmd.RetryChild,
}


def command(kind: str, actor: str, ref: Ref, **more: Any) -> cmd.Command:
    """A person's command on an execution."""
    built: cmd.Command = KINDS[kind](command_id=f"{kind}-{actor}-{ref}", actor=actor, ref=ref, **more)
    return built


def hold(actor: str = "sue", reason: str = "audit finding") -> cmd.Hold:
    """Stop all work."""
    return cmd.Hold(command_id="hold", actor=actor, reason=reason)


def resume(actor: str = "sue", reason: str = "finding closed") -> cmd.Resume:
    """Go on."""
    return cmd.Resume(command_id="resume", actor=actor, reason=reason)


def cancel(actor: str = "sue", reason: str = "order withdrawn") -> cmd.Cancel:
    """End it."""
    return cmd.Cancel(command_id="cancel", actor=actor, reason=reason)


def migrate(actor: str = "sue", **more: Any) -> cmd.Migrate:
    """Go on under another version."""
    given: dict[str, Any] = {"from_process_id": "v1", "reason": "new torque limits", **more}
    return cmd.Migrate(command_id="migrate", actor=actor, process_id="v2", **given)


def of_type(events: Iterable[ev.Event], *types: type) -> list[Any]:
    """The events of some types."""
    return [event for event in events if isinstance(event, types)]


def kinds(events: Iterable[ev.Event]) -> list[str]:
    """What happened, in words."""
    return [event.kind for event in events]

"""Many commands in one go (group commit): each decided against the state that the ones before it left.

A refusal is an event too. What `decide` cannot bear (a bug, an impossible graph) is left to the caller to isolate.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Literal

from models.flow import commands as cmd
from models.flow import events as ev
from models.flow.decide import decide
from models.flow.errors import FlowError
from models.flow.evolve import apply
from models.flow.facts import Facts, Visits
from models.flow.graph import Graph
from models.flow.moment import Events
from models.flow.state import Ref, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """An event and the command that caused it (None: the engine)."""

    event: ev.Event
    command_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one command at one execution (`ref` None for the instance): a word, or the refusal's code."""

    command_id: str
    ref: Ref | None
    outcome: str
    refused: bool = False
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decision:
    """All that one batch comes to, and the state that it leads to (its `seq` is the shell's to set)."""

    happened: tuple[Happened, ...]
    outcomes: tuple[Outcome, ...]
    state: State


def decide_all(graph: Graph, state: State, commands: Iterable[cmd.Command], facts: Facts, now: datetime) -> Decision:
    """Decide commands in order. `state` stays as it was.

    Returns:
        Events of all commands, and one outcome for each (command, execution) that a person sent.
    """
    working, known = state.copy(), _Known(facts)
    happened: list[Happened] = []
    outcomes: list[Outcome] = []
    for command in commands:
        ref = getattr(command, "ref", None)
        try:
            events = decide(graph, working, command, known.facts, now)
            outcome = outcome_of(events, command)
        except FlowError as error:
            if command.command_id is None:
                continue
            events = (ev.CommandRefused(ref=ref, at=now, code=error.code, params=error.params),)
            outcome = Outcome(
                command_id=command.command_id,
                ref=ref,
                outcome=error.code,
                refused=True,
                params=error.params,
            )
        for event in events:
            apply(working, event)
            known.note(event)
            happened.append(Happened(event=event, command_id=command.command_id))
        if outcome is not None:
            outcomes.append(outcome)
    return Decision(tuple(happened), tuple(outcomes), working)


class _Known:
    """The facts, kept true while the commands of a batch change what they tell."""

    def __init__(self, facts: Facts) -> None:
        self._visits = dict(facts.visits)
        self._closed = dict(facts.closed)
        self._context = dict(facts.context)
        self.facts = replace(facts, visits=self._visits, closed=self._closed, context=self._context)

    def note(self, event: ev.Event) -> None:
        """A visit more, or an execution that is closed from now on."""
        match event:
            case ev.ExecutionEntered(ref=ref, counts=counts):
                before = self._visits.get((ref.subject, ref.step), Visits())
                after = Visits(last=max(before.last, ref.visit), counted=before.counted + counts)
                self._visits[ref.subject, ref.step] = after
            case ev.ExecutionCompleted(ref=ref):
                self._closed[ref] = "completed"
            case ev.ExecutionCancelled(ref=ref):
                self._closed[ref] = "cancelled"
            case ev.ExecutionDiverted(ref=ref, status=status):
                self._closed[ref] = status
                if status == "rolled_back":
                    self._uncount(ref)
            case ev.VisitRolledBack(ref=ref):
                self._closed[ref] = "rolled_back"
                self._uncount(ref)
            case ev.ExecutionRestored(ref=ref):
                self._closed.pop(ref, None)
            case ev.InstanceAmended(changes={"context": context}) if context is not None:
                self._context.clear()
                self._context.update(context)
            case _:
                pass

    def _uncount(self, ref: Ref) -> None:
        """A visit that was rolled back keeps its number and does not count (DESIGN §3.7)."""
        before = self._visits.get((ref.subject, ref.step), Visits())
        self._visits[ref.subject, ref.step] = replace(before, counted=max(before.counted - 1, 0))


WORDS: Final[Mapping[str, str]] = {
    "claim": "claimed", "start": "started", "release": "released", "hold": "held", "resume": "resumed",
    "cancel": "cancelled", "amend": "amended", "skip": "skipped", "move": "moved", "rewind": "rewound",
    "add_subjects": "added", "remove_subjects": "removed", "migrate": "migrated", "undo": "undone",
    "retry_incident": "retried", "resolve_incident": "resolved", "split": "split", "merge": "merged",
    "reassign": "reassigned", "delegate": "delegated", "hand_back": "handed_back", "snooze": "snoozed",
    "prioritise": "prioritised",
    "retry_child": "children_started",
}  # fmt: skip
"""Kind of a command → the word for what it did; complete and signoff have one of `WayTaken`."""
WayTaken = Literal["advanced", "completed", "escalated", "waiting", "awaiting_signoff"]


def outcome_of(events: Events, command: cmd.Command) -> Outcome | None:
    """The word of DESIGN §4 for what a command did; None for an internal command."""
    if command.command_id is None:
        return None
    ref: Ref | None = getattr(command, "ref", None)
    for event in events:
        if isinstance(event, ev.CommandRefused):
            return Outcome(
                command_id=command.command_id, ref=ref, outcome=event.code, refused=True, params=event.params
            )
    word = WORDS.get(command.kind) or _way_of(events, ref)
    return Outcome(command_id=command.command_id, ref=ref, outcome=word)


def _way_of(events: Events, ref: Ref | None) -> WayTaken:
    """For complete and signoff: where the execution's subject went."""
    word: WayTaken = "advanced"
    for event in events:
        match event:
            case ev.SignoffAwaited(ref=at) if at == ref:
                word = "awaiting_signoff"
            case ev.BatchAwaited(ref=at) if at == ref:
                word = "waiting"
            case ev.ExecutionCompleted(ref=at, route=route) if at == ref:
                word = "escalated" if route == "escalation" else "advanced"
            case ev.SubjectFinished(ref=at) if ref is not None and at.subject == ref.subject and word != "escalated":
                word = "completed"
            case _:
                pass
    return word

"""Commands as they are stored, and the core's commands that they come to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from models.flow import commands as cmd
from models.flow.state import Ref


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRow:
    """A person's command as stored: one kind, n executions, free arguments of that kind."""

    id: str
    kind: str
    actor: str
    refs: tuple[Ref, ...] = ()
    args: Mapping[str, Any] = field(default_factory=dict)
    confirmed_by: str | None = None
    """The second person of a deviation."""

    def commands(self) -> tuple[cmd.Command, ...]:
        """One core command for each execution (or one for the instance).

        Raises:
            KeyError, TypeError, ValueError: an unknown kind, arguments that it does not take, no execution.
        """
        build: Any = _KINDS[self.kind]
        common = {"command_id": self.id, "actor": self.actor, **self.args}
        if self.confirmed_by is not None:
            common["confirmed_by"] = self.confirmed_by
        if self.kind in INSTANCE_KINDS:
            return (build(**common, **({"refs": self.refs} if self.kind in GROUPING else {})),)
        if not self.refs:
            raise ValueError(f"the command {self.kind} names no execution")
        return tuple(build(ref=ref, **common) for ref in self.refs)


def _split(*, refs: tuple[Ref, ...], groups: Sequence[Mapping[str, Any]], **common: Any) -> cmd.Split:
    """The executions of a split come in the order of its groups; each group says how many are its own."""
    ends = list(accumulate(int(one["count"]) for one in groups))
    built = [
        cmd.Group(
            lot=one["lot"],
            refs=refs[end - int(one["count"]) : end],
            to_step=one.get("to_step"),
            decision_result=one.get("decision_result", ""),
        )
        for one, end in zip(groups, ends, strict=True)
    ]
    return cmd.Split(groups=tuple(built), **common)


def _merge(*, lots: Sequence[str] = (), **common: Any) -> cmd.Merge:
    return cmd.Merge(lots=tuple(lots), **common)


_KINDS: dict[str, Any] = {
    "claim": cmd.Claim,
    "start": cmd.Start,
    "complete": cmd.Complete,
    "release": cmd.Release,
    "signoff": cmd.SignOff,
    "reassign": cmd.Reassign,
    "delegate": cmd.Delegate,
    "hand_back": cmd.HandBack,
    "snooze": cmd.Snooze,
    "prioritise": cmd.Prioritise,
    "retry_child": cmd.RetryChild,
    "hold": cmd.Hold,
    "resume": cmd.Resume,
    "cancel": cmd.Cancel,
    "amend": cmd.Amend,
    "skip": cmd.Skip,
    "move": cmd.Move,
    "rewind": cmd.Rewind,
    "undo": cmd.Undo,
    "retry_incident": cmd.RetryIncident,
    "resolve_incident": cmd.ResolveIncident,
    "add_subjects": cmd.AddSubjects,
    "remove_subjects": cmd.RemoveSubjects,
    "split": _split,
    "merge": _merge,
    "migrate": cmd.Migrate,
}
GROUPING = frozenset({"split", "merge"})
"""Commands to the instance that name executions."""
INSTANCE_KINDS = GROUPING | {"hold", "resume", "cancel", "amend", "add_subjects", "remove_subjects", "migrate"}
COMMAND_KINDS = frozenset(_KINDS)

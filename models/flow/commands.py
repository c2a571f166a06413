"""What can be asked of an instance. Imperative names; each carries who asked and nothing that was only claimed.

A command that a person sent bears its row's id; an internal one (`command_id=None`) comes from the engine itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from models.flow.state import Ref


@dataclass(frozen=True, slots=True, kw_only=True)
class Begin:
    """Put every subject at the first step."""

    kind: Literal["begin"] = "begin"
    subjects: int
    command_id: None = None
    actor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Take an execution into one's hands."""

    kind: Literal["claim"] = "claim"
    command_id: str | None
    actor: str
    ref: Ref


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Say that work begins; claims where nobody holds it."""

    kind: Literal["start"] = "start"
    command_id: str | None
    actor: str
    ref: Ref


@dataclass(frozen=True, slots=True, kw_only=True)
class Complete:
    """Say that the work is done, with the result where the step decides. `force` is the reason of a deviation."""

    kind: Literal["complete"] = "complete"
    command_id: str | None
    actor: str
    ref: Ref
    decision_result: str = ""
    notes: str = ""
    force: str | None = None
    confirmed_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """Give an execution back to the pool."""

    kind: Literal["release"] = "release"
    command_id: str | None
    actor: str
    ref: Ref
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignOff:
    """QA accepts the work of another person (DESIGN §3.10)."""

    kind: Literal["signoff"] = "signoff"
    command_id: str | None
    actor: str
    ref: Ref
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Skip:
    """Leave a step undone; on by `decision_result`, by the default way, or to `to_step` (DESIGN §3.7)."""

    kind: Literal["skip"] = "skip"
    command_id: str | None
    actor: str
    ref: Ref
    reason: str
    to_step: str | None = None
    decision_result: str = ""
    confirmed_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """Put the subject at another step of the process."""

    kind: Literal["move"] = "move"
    command_id: str | None
    actor: str
    ref: Ref
    reason: str
    to_step: str
    confirmed_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewind:
    """Go back to before the subject's last visit to `to_step`: what it did since counts no longer."""

    kind: Literal["rewind"] = "rewind"
    command_id: str | None
    actor: str
    ref: Ref
    reason: str
    to_step: str
    confirmed_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AddSubjects:
    """Let subjects join, at the first step or at `to_step`. `subject_ids` are those of rows that exist."""

    kind: Literal["add_subjects"] = "add_subjects"
    command_id: str | None
    actor: str
    reason: str
    subject_ids: tuple[str, ...]
    to_step: str | None = None
    confirmed_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveSubjects:
    """Take subjects out of the instance; they end as `removed`."""

    kind: Literal["remove_subjects"] = "remove_subjects"
    command_id: str | None
    actor: str
    reason: str
    subject_ids: tuple[str, ...]
    confirmed_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Undo:
    """Open a completed execution again, as if it had not been completed (DESIGN §3.7)."""

    kind: Literal["undo"] = "undo"
    command_id: str | None
    actor: str
    ref: Ref
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryIncident:
    """Try again what stopped with an incident of this code."""

    kind: Literal["retry_incident"] = "retry_incident"
    command_id: str | None
    actor: str
    ref: Ref
    incident_id: str
    code: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolveIncident:
    """Say that what stopped the execution is out of the way."""

    kind: Literal["resolve_incident"] = "resolve_incident"
    command_id: str | None
    actor: str
    ref: Ref
    incident_id: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Executions that become a lot of their own, and where they go: by a decision, to a step, or nowhere."""

    lot: str
    refs: tuple[Ref, ...]
    to_step: str | None = None
    decision_result: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Divide a batch, so that its parts do not wait for each other."""

    kind: Literal["split"] = "split"
    command_id: str | None
    actor: str
    reason: str
    groups: tuple[Group, ...]
    confirmed_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """Put executions at one step, named or all of some lots, into one lot; the empty one is the undivided batch."""

    kind: Literal["merge"] = "merge"
    command_id: str | None
    actor: str
    reason: str
    refs: tuple[Ref, ...] = ()
    lots: tuple[str, ...] = ()
    into: str = ""
    confirmed_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reassign:
    """Put an execution into other hands, or back to the pool (`to` None); a supervisor's deviation (DESIGN §3.7)."""

    kind: Literal["reassign"] = "reassign"
    command_id: str | None
    actor: str
    ref: Ref
    to: str | None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegate:
    """Have another person do one's work; it comes back to be completed."""

    kind: Literal["delegate"] = "delegate"
    command_id: str | None
    actor: str
    ref: Ref
    to: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandBack:
    """Give delegated work back to its owner."""

    kind: Literal["hand_back"] = "hand_back"
    command_id: str | None
    actor: str
    ref: Ref
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snooze:
    """Put the due time off to `until`, with a reason; reminders and levels follow it."""

    kind: Literal["snooze"] = "snooze"
    command_id: str | None
    actor: str
    ref: Ref
    until: str
    """RFC 3339; facts turn it into deadlines."""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prioritise:
    """Make an execution more or less urgent."""

    kind: Literal["prioritise"] = "prioritise"
    command_id: str | None
    actor: str
    ref: Ref
    priority: int
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Stop all work and freeze what remains of every deadline."""

    kind: Literal["hold"] = "hold"
    command_id: str | None
    actor: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """Go on after a hold."""

    kind: Literal["resume"] = "resume"
    command_id: str | None
    actor: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """End the instance; its open executions and children close."""

    kind: Literal["cancel"] = "cancel"
    command_id: str | None
    actor: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Amend:
    """Change name, owner, due date or context of the instance. Values JSON-ready; keys as in the API."""

    kind: Literal["amend"] = "amend"
    command_id: str | None
    actor: str
    changes: Mapping[str, Any]
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migrate:
    """Go on under another version of the process; a deviation with its reason.

    Attributes:
        process_id: the version to go to.
        from_process_id: the version that the plan was made for.
        steps: old step key → new one, None where it has none; a step that is not named goes to the one of its key.
    """

    kind: Literal["migrate"] = "migrate"
    command_id: str | None
    actor: str
    process_id: str
    from_process_id: str
    steps: Mapping[str, str | None] = field(default_factory=dict)
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryChild:
    """Start again the nested instances of an execution that failed or could not be started."""

    kind: Literal["retry_child"] = "retry_child"
    command_id: str | None
    actor: str
    ref: Ref


@dataclass(frozen=True, slots=True, kw_only=True)
class Recheck:
    """Look again whether an execution moves by itself, or must be reopened because evidence went away."""

    kind: Literal["recheck"] = "recheck"
    command_id: None = None
    actor: None = None
    ref: Ref


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckDeadlines:
    """See which of an execution's moments have come by `now`."""

    kind: Literal["check_deadlines"] = "check_deadlines"
    command_id: None = None
    actor: None = None
    ref: Ref
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteChildStarted:
    """A child's workflow runs."""

    kind: Literal["note_child_started"] = "note_child_started"
    command_id: None = None
    actor: None = None
    child_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteChildEnded:
    """A child reached its end; `status` is its last one."""

    kind: Literal["note_child_ended"] = "note_child_ended"
    command_id: None = None
    actor: None = None
    child_id: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteActionEnded:
    """An automatic action came back: with its output, or with why it failed for good."""

    kind: Literal["note_action_ended"] = "note_action_ended"
    command_id: None = None
    actor: None = None
    ref: Ref
    call_id: str
    succeeded: bool
    output: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""
    request_sha256: str = ""
    """Of what was asked."""


Deviation = Skip | Move | Rewind
AssignmentCommand = Reassign | Delegate | HandBack | Snooze | Prioritise
Repair = Undo | RetryIncident | ResolveIncident
NestingCommand = RetryChild
ExecutionCommand = Claim | Start | Complete | Release | SignOff | Deviation | AssignmentCommand | Repair
Regrouping = AddSubjects | RemoveSubjects | Split | Merge
InstanceCommand = Hold | Resume | Cancel | Amend | Regrouping | Migrate
InternalCommand = Begin | Recheck | CheckDeadlines | NoteChildStarted | NoteChildEnded | NoteActionEnded
Command = ExecutionCommand | NestingCommand | InstanceCommand | InternalCommand

"""Names, queue, input and limits of the instance workflow: what is needed to start and to signal it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from activities.contract import ActionAnswer, BareCommand
from models.flow.state import Ref

WORKFLOW = "ProcessInstance"
CORE_QUEUE = "gatework-core"

SIGNAL_COMMANDS = "commands"
SIGNAL_EVIDENCE_CHANGED = "evidence_changed"
SIGNAL_CHILD_ENDED = "child_ended"
SIGNAL_CHECK_DEADLINES = "check_deadlines"

SEARCH_ATTRIBUTES: Mapping[str, str] = {
    "GateworkTenant": "Keyword",
    "GateworkProcess": "Keyword",
    "GateworkCategory": "Keyword",
    "GateworkIdentifier": "Keyword",
    "GateworkSite": "Keyword",
    "GateworkStatus": "Keyword",
    "GateworkSteps": "KeywordList",
    "GateworkOverdue": "Bool",
}
"""Custom search attributes and their types. They bypass codecs: no personal data in them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When a run continues as new (TEMPORAL: 51,200 events and 10,000 signals end a run).

    Attributes:
        quiet_seconds: after an upsert of search attributes, before steps alone are worth another one.
    """

    events: int = 4_000
    signals: int = 5_000
    quiet_seconds: float = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """The inbox on its way into the next run."""

    commands: tuple[str, ...] = ()
    evidence: tuple[Ref, ...] = ()
    children: tuple[tuple[str, str], ...] = ()
    bare: tuple[BareCommand, ...] = ()
    answers: tuple[ActionAnswer, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceInput:
    """Start of a run. The first one has no carried state: it loads what the journal knows.

    Attributes:
        carried: state of the run before (`models.flow.carry`).
        inbox: what had not been handled when the run before ended.
    """

    tenant_id: str
    instance_id: str
    carried: Mapping[str, Any] | None = None
    inbox: Waiting | None = None
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True, kw_only=True)
class BareSignal:
    """What a script or Temporal's Web UI sends to `claim`, `start`, `complete` and `release`.

    Attributes:
        id: any text of the sender's choice that names this request once and for all.
        execution_id: UUID of the execution.
    """

    id: str
    execution_id: str
    decision_result: str = ""
    notes: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildNews:
    """The end of a nested instance, as its parent hears of it."""

    child_id: str
    status: str


def static_summary(identifier: str, process_name: str, name: str) -> str:
    """One line for Temporal's Web UI, at most 200 bytes."""
    text = f"{identifier} · {process_name}" + (f" · {name}" if name and name != identifier else "")
    return shortened(text)


def shortened(text: str) -> str:
    """As much of a summary as Temporal takes: 200 bytes."""
    return text.encode()[:200].decode(errors="ignore")

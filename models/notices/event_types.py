"""Types of events for other systems: `gatework.execution.completed` for the journal's `execution_completed`, and so on.

Every event of the journal has one but the engine's own bookkeeping. Notices that no event of the journal stands behind
(approvals, processes) are offered under the same scheme.
"""

from collections.abc import Iterable, Mapping
from typing import Final, get_args

from models.flow.events import Event
from models.notices.kinds import NoticeKind

PREFIX: Final = "gatework."
EVERYTHING: Final = "*"
TEST_TYPE: Final = "gatework.webhook.test"

_BOOKKEEPING: Final = frozenset({"execution_checked", "child_started", "command_repeated", "command_refused"})
"""Of use to nobody outside: looks that changed nothing, commands that were refused."""


def event_type(kind: str) -> str:
    """`execution_signed_off` → `gatework.execution.signed_off`."""
    return PREFIX + kind.replace("_", ".", 1)


def _kinds_of_journal() -> list[str]:
    found = (one for family in get_args(Event) for one in (get_args(family) or (family,)))
    return sorted({str(one.__dataclass_fields__["kind"].default) for one in found} - _BOOKKEEPING)


JOURNAL_TYPES: Final[Mapping[str, str]] = {event_type(kind): kind for kind in _kinds_of_journal()}
"""Type → the journal's kind."""

NOTICE_TYPES: Final[Mapping[str, NoticeKind]] = {
    event_type(kind): kind
    for kind in (
        NoticeKind.APPROVAL_REQUESTED, NoticeKind.APPROVAL_DUE_SOON, NoticeKind.APPROVAL_OVERDUE,
        NoticeKind.PROCESS_SUBMITTED, NoticeKind.PROCESS_APPROVED,
    )
}  # fmt: skip
"""Type → the notice's kind."""

TYPES: Final = (*JOURNAL_TYPES, *NOTICE_TYPES)


def wants(chosen: Iterable[str], wanted: str) -> bool:
    """Whether whoever chose these types gets one of type `wanted`; `gatework.execution.*` stands for a family."""
    return any(one in {EVERYTHING, wanted} or (one.endswith(".*") and wanted.startswith(one[:-1])) for one in chosen)


def unknown_types(chosen: Iterable[str]) -> list[str]:
    """What nobody would ever send: neither a type nor a family with members."""
    return [one for one in chosen if one != EVERYTHING and not any(wants([one], known) for known in TYPES)]


def event_kinds(chosen: Iterable[str]) -> frozenset[str]:
    """The journal's kinds behind a choice of types."""
    picked = tuple(chosen)
    return frozenset(kind for known, kind in JOURNAL_TYPES.items() if wants(picked, known))

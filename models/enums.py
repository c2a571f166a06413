"""Closed lists of words that rows hold and the pure core does not need.

What the core decides by (step types, execution statuses, …) lives in `models.flow`. Each list here is
guarded by a CHECK constraint, so a new word is a migration.
"""

from enum import StrEnum


class ProcessStatus(StrEnum):
    """Life of one process version; only an approved one can be started."""

    DRAFT = "draft"
    IN_REVIEW = "in_review"
    APPROVED = "approved"
    DEPRECATED = "deprecated"
    RETIRED = "retired"


class ConnectorAuth(StrEnum):
    """How a connector says who we are."""

    NONE = "none"
    BASIC = "basic"
    BEARER = "bearer"
    HEADER = "header"


class DocumentState(StrEnum):
    """Life of one document revision (ISO 13485 4.2.4)."""

    DRAFT = "draft"
    IN_REVIEW = "in_review"
    RELEASED = "released"
    EFFECTIVE = "effective"
    OBSOLETE = "obsolete"


class ApprovalState(StrEnum):
    """Where an approval request stands; `voided` means that what was shown has changed."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    VOIDED = "voided"
    WITHDRAWN = "withdrawn"


class ApprovalDecision(StrEnum):
    """What one approver says."""

    APPROVED = "approved"
    REJECTED = "rejected"


class EvidenceAction(StrEnum):
    """What a revision of evidence does to the one before."""

    GIVEN = "given"
    WITHDRAWN = "withdrawn"
    VOIDED = "voided"
    AMENDED = "amended"


class DispositionDecision(StrEnum):
    """What becomes of a nonconforming value (ISO 13485 8.3)."""

    USE_AS_IS = "use_as_is"
    REWORK = "rework"
    REPAIR = "repair"
    SCRAP = "scrap"
    RETURN_TO_SUPPLIER = "return_to_supplier"


class CommandOutcome(StrEnum):
    """How a command was settled; `proposed` waits for a second person, outside of the engine."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    PARTIAL = "partial"
    PROPOSED = "proposed"


class Chain(StrEnum):
    """Which hash chain a link belongs to: it hangs on the row that is locked anyway."""

    INSTANCE = "instance"
    EXECUTION = "execution"
    TENANT = "tenant"


class CapaSeverity(StrEnum):
    """How bad a finding is; decides when its CAPA is due."""

    CRITICAL = "critical"
    MAJOR = "major"
    MINOR = "minor"


class PartStatus(StrEnum):
    """Where a part stands on the shop floor."""

    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    QUARANTINED = "quarantined"
    REWORK_NEEDED = "rework_needed"
    COMPLETED = "completed"
    SCRAPPED = "scrapped"
    CANCELLED = "cancelled"


class DeliveryChannel(StrEnum):
    """How a message leaves: to a person's mailbox, to another system, to a room that a team reads."""

    EMAIL = "email"
    WEBHOOK = "webhook"
    ROOM = "room"


class DeliveryState(StrEnum):
    """Where a message stands: `failed` will be tried again, `dead` will not unless somebody replays it."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"
    DEAD = "dead"


class ChannelKind(StrEnum):
    """What a team's channel is: an address that Apprise understands, or a shared mailbox."""

    APPRISE = "apprise"
    EMAIL = "email"


class QualityStatus(StrEnum):
    """What an inspection said; `pending` says nothing yet."""

    PASS = "pass"  # noqa: S105 - a result
    FAIL = "fail"
    PENDING = "pending"

"""The kinds of notices: what a person may be told of, choose a channel for, and reword.

A new kind is a member here, a shipped template in `models.notices.shipped`, and whoever puts it into the outbox
(`models.store.notices.put_notice`).
"""

from enum import StrEnum


class NoticeKind(StrEnum):
    """What a notice is about."""

    EXECUTION_AVAILABLE = "execution_available"
    EXECUTION_ASSIGNED = "execution_assigned"
    EXECUTION_DUE_SOON = "execution_due_soon"
    EXECUTION_OVERDUE = "execution_overdue"
    ESCALATION = "escalation"
    INCIDENT_OPENED = "incident_opened"
    APPROVAL_REQUESTED = "approval_requested"
    APPROVAL_DUE_SOON = "approval_due_soon"
    APPROVAL_OVERDUE = "approval_overdue"
    SIGNOFF_AWAITED = "signoff_awaited"
    INSTANCE_HELD = "instance_held"
    INSTANCE_RESUMED = "instance_resumed"
    INSTANCE_COMPLETED = "instance_completed"
    INSTANCE_CANCELLED = "instance_cancelled"
    PROCESS_SUBMITTED = "process_submitted"
    PROCESS_APPROVED = "process_approved"
    SECURITY_NOTICE = "security_notice"

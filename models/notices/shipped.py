"""The shipped wording of every kind: subject and body, as Jinja2 templates over `render.VARIABLES`.

Plain sentences: what happened, where, what is to be done. The link follows the body by itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from models.notices.kinds import NoticeKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """Subject and body as templates; `body_html` empty: made from the body, escaped."""

    subject: str
    body: str
    body_html: str = ""


_AT = "{% if step %}{{ step }}{% else %}{{ workflow }}{% endif %}"
_WORKFLOW = "{{ workflow }}{% if workflow_name %} ({{ workflow_name }}){% endif %}"
_OF = "{% if step and workflow %} of " + _WORKFLOW + "{% endif %}"
_BY = "{% if actor %} by {{ actor }}{% endif %}"
_PASSED = "{% if delegated_by %}, passed on to you by {{ delegated_by }}{% endif %}"
_GATE = "{% if requirement %}{{ requirement }}{% else %}An approval{% endif %}"
_WHICH = "{% if count > 1 %}{{ count }} subjects{% else %}{{ subject }}{% endif %}"
_WHY = "{% if reason %}\n\nReason: {{ reason }}{% endif %}"
_DUE = "{% if due_at %}\n\nDue: {{ due_at }}{% endif %}"

SHIPPED: Final[Mapping[NoticeKind, Wording]] = {
    NoticeKind.EXECUTION_AVAILABLE: Wording(
        subject=f"To be taken: {_AT}, {_WHICH}",
        body=f"{_AT}{_OF} waits for somebody to take it, for {_WHICH}.{_DUE}",
    ),
    NoticeKind.EXECUTION_ASSIGNED: Wording(
        subject=f"Assigned to you: {_AT}, {_WHICH}",
        body=f"{_AT}{_OF} was assigned to you for {_WHICH}{_BY}.{_WHY}{_DUE}",
    ),
    NoticeKind.EXECUTION_DUE_SOON: Wording(
        subject=f"Due soon: {_AT}, {_WHICH}",
        body=f"{_AT}{_OF} is due soon for {_WHICH}.{_DUE}",
    ),
    NoticeKind.EXECUTION_OVERDUE: Wording(
        subject=f"Overdue: {_AT}, {_WHICH}",
        body=f"{_AT}{_OF} is overdue for {_WHICH}.{_DUE}",
    ),
    NoticeKind.ESCALATION: Wording(
        subject="Escalation{% if level %} level {{ level }}{% endif %}: " + f"{_AT}, {_WHICH}",
        body=f"{_AT}{_OF} was escalated for {_WHICH} and needs your attention.{_WHY}{_DUE}",
    ),
    NoticeKind.INCIDENT_OPENED: Wording(
        subject=f"Incident: {_AT}, {_WHICH}",
        body=(
            f"{_AT}{_OF} cannot go on for {_WHICH} until somebody acts."
            "{% if message %}\n\n{{ message }}{% endif %}{% if code %}\n\nCode: {{ code }}{% endif %}"
        ),
    ),
    NoticeKind.APPROVAL_REQUESTED: Wording(
        subject=f"Your approval is requested: {_AT}, {_WHICH}",
        body=f"{_GATE} at {_AT}{_OF} waits for your answer, for {_WHICH}{_PASSED}.{_WHY}{_DUE}",
    ),
    NoticeKind.APPROVAL_DUE_SOON: Wording(
        subject=f"Your approval is due soon: {_AT}, {_WHICH}",
        body=f"{_GATE} at {_AT}{_OF} still waits for your answer, for {_WHICH}.{_DUE}",
    ),
    NoticeKind.APPROVAL_OVERDUE: Wording(
        subject=f"Your approval is overdue: {_AT}, {_WHICH}",
        body=f"{_GATE} at {_AT}{_OF} should have been answered, for {_WHICH}.{_DUE}",
    ),
    NoticeKind.SIGNOFF_AWAITED: Wording(
        subject=f"Sign-off awaited: {_AT}, {_WHICH}",
        body=f"The work at {_AT}{_OF} is done for {_WHICH} and waits for a QA sign-off.",
    ),
    NoticeKind.INSTANCE_HELD: Wording(
        subject="On hold: {{ workflow }}",
        body=f"{_WORKFLOW} was put on hold.{_WHY}",
    ),
    NoticeKind.INSTANCE_RESUMED: Wording(
        subject="Goes on: {{ workflow }}",
        body=f"{_WORKFLOW} goes on.{_WHY}",
    ),
    NoticeKind.INSTANCE_COMPLETED: Wording(
        subject="Completed: {{ workflow }}",
        body=f"{_WORKFLOW} is completed.",
    ),
    NoticeKind.INSTANCE_CANCELLED: Wording(
        subject="Cancelled: {{ workflow }}",
        body=f"{_WORKFLOW} was cancelled.{_WHY}",
    ),
    NoticeKind.PROCESS_SUBMITTED: Wording(
        subject="Process to approve: {{ process }}",
        body=f"{{{{ process }}}} was submitted{_BY} and waits for approval.{_WHY}",
    ),
    NoticeKind.PROCESS_APPROVED: Wording(
        subject="Process approved: {{ process }}",
        body=f"{{{{ process }}}} was approved{_BY}.{_WHY}",
    ),
    NoticeKind.SECURITY_NOTICE: Wording(
        subject="Security notice: {{ message }}",
        body=(
            "{{ message }}{% if reason %}\n\n{{ reason }}{% endif %}"
            "{% if source %}\n\nFrom: {{ source }}{% endif %}\n\n"
            "If this was not you, tell your administrator."
        ),
    ),
}

"""Values as a notice of each kind has them, for previews and for trying a tenant's template before it is kept."""

from typing import Any

from models.notices.kinds import NoticeKind


def sample_values(kind: NoticeKind) -> dict[str, Any]:
    """One example of everything that a template may name."""
    return {
        "kind": kind.value,
        "recipient": "Ann Example",
        "workflow": "WO-2026-0042",
        "workflow_name": "Housing batch",
        "process": "Housing inspection 1.0",
        "step": "Inspect",
        "subject": "SN-0001",
        "subjects": ["SN-0001", "SN-0002"],
        "count": 2,
        "due_at": "2026-05-04 16:00 UTC",
        "reason": "Machine down",
        "actor": "Bob Example",
        "level": 2,
        "code": "visit_limit_reached",
        "message": "The subject may not visit this step again.",
        "requirement": "QA approval",
        "stage": "Quality",
        "delegated_by": "Carl Example",
        "source": "terminal-7 @ 192.0.2.7",
        "link": "https://gatework.example.com/workflows/00000000-0000-0000-0000-000000000000",
    }

"""Indexes of executions that could be taken for the primary key begin with what is selective.

Revision: 0017, after 0016
Made: 2026-11-30 10:00:00
"""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

VISIT = ["workflow_instance_id", "subject_no", "step_key", "branch", "visit_number"]
SUBJECT = ["subject_id", "subject_type_id"]


def upgrade() -> None:
    _make([*VISIT, "tenant_id"], [*SUBJECT, "tenant_id"])


def downgrade() -> None:
    _make(["tenant_id", *VISIT], ["tenant_id", *reversed(SUBJECT)])


def _make(visit: list[str], subject: list[str]) -> None:
    op.drop_constraint("uq_step_execution_visit", "step_execution")
    op.create_unique_constraint("uq_step_execution_visit", "step_execution", visit)
    op.drop_index("ix_step_execution_subject", "step_execution")
    op.create_index("ix_step_execution_subject", "step_execution", subject)

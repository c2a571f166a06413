"""Fewer indexes of executions: each completion writes an insert and an update into every one of them.

Revision: 0012, after 0011

No query needs those that go: what belongs to one instance is found by the unique visit, what is open in a tenant by the
unique open execution; who holds what is only asked of open work.
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

OPEN = sa.text("exited_at IS NULL")


def upgrade() -> None:
    op.create_index(
        "ix_step_execution_open_assigned_to", "step_execution", ["tenant_id", "assigned_to"], postgresql_where=OPEN
    )
    op.drop_index("ix_step_execution_assigned_to_status", table_name="step_execution")
    op.drop_index("ix_step_execution_instance_step_status", table_name="step_execution")
    op.drop_index("ix_step_execution_status_entered_at", table_name="step_execution")
    op.drop_index("ix_step_execution_open_due", table_name="step_execution", postgresql_where=OPEN)


def downgrade() -> None:
    op.create_index("ix_step_execution_open_due", "step_execution", ["tenant_id", "due_at"], postgresql_where=OPEN)
    op.create_index("ix_step_execution_status_entered_at", "step_execution", ["tenant_id", "status", "entered_at"])
    op.create_index(
        "ix_step_execution_instance_step_status",
        "step_execution",
        ["tenant_id", "workflow_instance_id", "step_id", "status"],
    )
    op.create_index("ix_step_execution_assigned_to_status", "step_execution", ["tenant_id", "assigned_to", "status"])
    op.drop_index("ix_step_execution_open_assigned_to", table_name="step_execution", postgresql_where=OPEN)

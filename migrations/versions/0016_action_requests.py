"""What automatic actions ask, kept before it is sent, so that every try of a call asks the same.

Revision: 0016, after 0015
Made: 2026-11-30 08:15:00
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "action_request",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("execution_id", sa.Uuid(), nullable=False),
        sa.Column("target", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("length(sha256) = 64", name=op.f("ck_action_request_sha256")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "execution_id"],
            ["step_execution.tenant_id", "step_execution.id"],
            name=op.f("fk_action_request_execution_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_action_request")),
    )


def downgrade() -> None:
    op.drop_table("action_request")

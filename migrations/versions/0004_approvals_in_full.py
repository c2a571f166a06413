"""Approvals in full: delegation, reminders, escalation, and the step to which a rejection sends the work.

Revision: 0004, after 0003
Made: 2026-11-22 22:40:00
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

EMPTY = sa.text("'{}'::jsonb")


def upgrade() -> None:
    for table in ("approval_template", "approval_request"):
        op.add_column(
            table, sa.Column("allow_delegation", sa.Boolean(), server_default=sa.text("false"), nullable=False)
        )
        op.add_column(table, sa.Column("escalate_to", postgresql.JSONB(), server_default=EMPTY, nullable=False))
    op.add_column("approval_template", sa.Column("remind_before", sa.Interval(), nullable=True))
    op.add_column("approval_request", sa.Column("back_to", sa.Text(), server_default=sa.text("''"), nullable=False))
    for name in ("remind_at", "reminded_at", "overdue_at"):
        op.add_column("approval_request", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "approval_delegation",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("chain_n", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("execution_id", sa.Uuid(), nullable=False),
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("stage", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("delegate_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("source", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.CheckConstraint("chain_n >= 1", name=op.f("ck_approval_delegation_chain_n")),
        sa.CheckConstraint("user_id <> delegate_id", name=op.f("ck_approval_delegation_another")),
        *(
            sa.ForeignKeyConstraint(
                ["tenant_id", column], [f"{target}.tenant_id", f"{target}.id"],
                name=op.f(f"fk_approval_delegation_{column}"), ondelete="RESTRICT",
            )
            for column, target in (
                ("execution_id", "step_execution"), ("request_id", "approval_request"),
                ("user_id", "user_account"), ("delegate_id", "user_account"),
            )
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_approval_delegation")),
        sa.UniqueConstraint(
            "request_id", "stage", "user_id", "tenant_id",
            name=op.f("uq_approval_delegation_request_id_stage_user_id_tenant_id"),
        ),
        sa.UniqueConstraint(
            "request_id", "stage", "delegate_id", "tenant_id",
            name=op.f("uq_approval_delegation_request_id_stage_delegate_id_tenant_id"),
        ),
    )  # fmt: skip


def downgrade() -> None:
    op.drop_table("approval_delegation")
    for name in ("remind_at", "reminded_at", "overdue_at", "back_to"):
        op.drop_column("approval_request", name)
    op.drop_column("approval_template", "remind_before")
    for table in ("approval_template", "approval_request"):
        op.drop_column(table, "allow_delegation")
        op.drop_column(table, "escalate_to")

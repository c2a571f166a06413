"""Messages from outside, and which subjects they let go on.

Revision: 0013, after 0012
Made: 2026-11-23 00:40:00
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def _moment(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False)


def upgrade() -> None:
    op.create_table(
        "message",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column(
            "data", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("external_id", sa.String(), nullable=True),
        sa.Column("body_hash", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("reached", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("posted_by", sa.Uuid(), nullable=False),
        sa.Column("source", sa.Text(), server_default=sa.text("''"), nullable=False),
        _moment("received_at"),
        _moment("expires_at"),
        sa.CheckConstraint("name <> ''", name=op.f("ck_message_name")),
        sa.CheckConstraint("key <> ''", name=op.f("ck_message_key")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "posted_by"],
            ["user_account.tenant_id", "user_account.id"],
            name=op.f("fk_message_posted_by"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_message")),
        sa.UniqueConstraint("tenant_id", "external_id", name=op.f("uq_message_tenant_id_external_id")),
    )
    op.create_index("ix_message_name_key", "message", ["tenant_id", "name", "key", "received_at"])
    op.create_index("ix_message_expires_at", "message", ["expires_at"])
    op.create_table(
        "message_delivery",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("instance_id", sa.Uuid(), nullable=False),
        sa.Column("subject_no", sa.Integer(), nullable=False),
        sa.Column("execution_id", sa.Uuid(), nullable=False),
        _moment("at"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "message_id"],
            ["message.tenant_id", "message.id"],
            name=op.f("fk_message_delivery_message_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "execution_id"],
            ["step_execution.tenant_id", "step_execution.id"],
            name=op.f("fk_message_delivery_execution_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "instance_id", "subject_no"],
            ["workflow_subject.tenant_id", "workflow_subject.instance_id", "workflow_subject.subject_no"],
            name=op.f("fk_message_delivery_subject_no"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_message_delivery")),
        sa.UniqueConstraint(
            "message_id", "instance_id", "subject_no", "tenant_id", name=op.f("uq_message_delivery_once")
        ),
    )
    op.create_index("ix_message_delivery_execution", "message_delivery", ["execution_id", "tenant_id"])


def downgrade() -> None:
    op.drop_table("message_delivery")
    op.drop_table("message")

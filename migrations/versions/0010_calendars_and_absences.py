"""Working calendars of sites, and who is away.

Revision: 0010, after 0009
Made: 2026-11-22 23:27:18.316416
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "calendar",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("time_zone", sa.String(), nullable=False),
        sa.Column(
            "week", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("country", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("subdivision", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column(
            "exceptions", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'::jsonb"), nullable=False
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("key <> ''", name=op.f("ck_calendar_key")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_calendar_tenant_id"), ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_calendar")),
        sa.UniqueConstraint("tenant_id", "key", name=op.f("uq_calendar_tenant_id_key")),
    )
    op.create_table(
        "absence",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("delegate_id", sa.Uuid(), nullable=True),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("delegate_id IS NULL OR delegate_id <> user_id", name=op.f("ck_absence_another_person")),
        sa.CheckConstraint("ends_at > starts_at", name=op.f("ck_absence_ends_later")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "created_by"],
            ["user_account.tenant_id", "user_account.id"],
            name=op.f("fk_absence_created_by"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "delegate_id"],
            ["user_account.tenant_id", "user_account.id"],
            name=op.f("fk_absence_delegate_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"],
            ["user_account.tenant_id", "user_account.id"],
            name=op.f("fk_absence_user_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_absence")),
    )
    op.create_index("ix_absence_delegate", "absence", ["tenant_id", "delegate_id", "ends_at"], unique=False)
    op.create_index("ix_absence_user", "absence", ["tenant_id", "user_id", "ends_at"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_absence_user", table_name="absence")
    op.drop_index("ix_absence_delegate", table_name="absence")
    op.drop_table("absence")
    op.drop_table("calendar")

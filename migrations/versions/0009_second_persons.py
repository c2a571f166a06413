"""Deviations that one person proposes and another confirms.

Revision: 0009, after 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("command", sa.Column("confirmed_by", sa.Uuid(), nullable=True))
    op.add_column("command", sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True))
    op.drop_constraint(op.f("ck_command_outcome"), "command", type_="check")
    op.create_check_constraint(
        op.f("ck_command_outcome"), "command", "outcome IN ('accepted', 'refused', 'partial', 'proposed')"
    )
    op.create_check_constraint(
        op.f("ck_command_confirmed"),
        "command",
        "(confirmed_by IS NULL) = (confirmed_at IS NULL) AND confirmed_by <> actor_id",
    )
    op.create_index(
        "ix_command_proposed",
        "command",
        ["tenant_id", "accepted_at"],
        unique=False,
        postgresql_where=sa.text("outcome = 'proposed'"),
    )
    op.create_foreign_key(
        op.f("fk_command_confirmed_by"),
        "command",
        "user_account",
        ["tenant_id", "confirmed_by"],
        ["tenant_id", "id"],
        ondelete="RESTRICT",
    )


def downgrade() -> None:
    op.drop_constraint(op.f("fk_command_confirmed_by"), "command", type_="foreignkey")
    op.drop_index("ix_command_proposed", table_name="command", postgresql_where=sa.text("outcome = 'proposed'"))
    op.drop_constraint(op.f("ck_command_confirmed"), "command", type_="check")
    op.execute("UPDATE command SET outcome = 'refused' WHERE outcome = 'proposed'")
    op.drop_constraint(op.f("ck_command_outcome"), "command", type_="check")
    op.create_check_constraint(op.f("ck_command_outcome"), "command", "outcome IN ('accepted', 'refused', 'partial')")
    op.drop_column("command", "confirmed_at")
    op.drop_column("command", "confirmed_by")

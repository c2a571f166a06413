"""Lives of process versions: what a version was made from, who worked on it, its review, and when it is in force.

Revision: 0003, after 0002
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("process", sa.Column("based_on", sa.Uuid(), nullable=True))
    op.add_column("process", sa.Column("change_note", sa.Text(), server_default=sa.text("''"), nullable=False))
    op.add_column(
        "process",
        sa.Column("editors", postgresql.ARRAY(sa.Uuid()), server_default=sa.text("'{}'::uuid[]"), nullable=False),
    )
    op.add_column("process", sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("process", sa.Column("submitted_by", sa.Uuid(), nullable=True))
    op.add_column("process", sa.Column("effective_from", sa.DateTime(timezone=True), nullable=True))
    op.add_column("process", sa.Column("effective_until", sa.DateTime(timezone=True), nullable=True))
    # Row-level security is forced on the owner too, and a migration belongs to no tenant.
    op.execute("ALTER TABLE process NO FORCE ROW LEVEL SECURITY")
    op.execute("UPDATE process SET effective_from = approved_at WHERE approved_at IS NOT NULL")
    op.execute("UPDATE process SET editors = ARRAY[created_by] WHERE created_by IS NOT NULL")
    op.execute("UPDATE process SET submitted_at = created_at WHERE status = 'in_review'")
    op.execute("ALTER TABLE process FORCE ROW LEVEL SECURITY")
    op.create_foreign_key(
        "fk_process_based_on", "process", "process", ["tenant_id", "based_on"], ["tenant_id", "id"], ondelete="RESTRICT"
    )
    op.create_foreign_key(
        "fk_process_submitted_by",
        "process",
        "user_account",
        ["tenant_id", "submitted_by"],
        ["tenant_id", "id"],
        ondelete="RESTRICT",
    )
    op.create_unique_constraint("uq_process_tenant_id_key_version", "process", ["tenant_id", "key", "version"])
    op.create_check_constraint(
        op.f("ck_process_approved_is_effective"), "process", "approved_at IS NULL OR effective_from IS NOT NULL"
    )
    op.create_check_constraint(
        op.f("ck_process_effective_order"), "process", "effective_until IS NULL OR effective_until > effective_from"
    )
    op.create_check_constraint(
        op.f("ck_process_submitted_in_review"), "process", "status <> 'in_review' OR submitted_at IS NOT NULL"
    )


def downgrade() -> None:
    for name in ("submitted_in_review", "effective_order", "approved_is_effective"):
        op.drop_constraint(op.f(f"ck_process_{name}"), "process", type_="check")
    op.drop_constraint("uq_process_tenant_id_key_version", "process", type_="unique")
    op.drop_constraint("fk_process_submitted_by", "process", type_="foreignkey")
    op.drop_constraint("fk_process_based_on", "process", type_="foreignkey")
    for name in (
        "effective_until",
        "effective_from",
        "submitted_by",
        "submitted_at",
        "editors",
        "change_note",
        "based_on",
    ):
        op.drop_column("process", name)

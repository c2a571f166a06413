"""Connectors: other systems that automatic steps speak to.

Revision: 0015, after 0014
Made: 2026-11-30 06:30:00
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def _moment(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False)


def upgrade() -> None:
    op.create_table(
        "connector",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("base_url", sa.String(), nullable=False),
        sa.Column("auth", sa.Text(), server_default=sa.text("'none'"), nullable=False),
        sa.Column("login", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("secret", sa.LargeBinary(), server_default=sa.text("'\\x'::bytea"), nullable=False),
        _moment("created_at"),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        _moment("changed_at"),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("auth IN ('none', 'basic', 'bearer', 'header')", name=op.f("ck_connector_auth")),
        sa.CheckConstraint("key <> ''", name=op.f("ck_connector_key")),
        sa.CheckConstraint("base_url <> ''", name=op.f("ck_connector_base_url")),
        sa.CheckConstraint(
            "deleted_at IS NOT NULL OR (auth = 'none') = (secret = ''::bytea)", name=op.f("ck_connector_secret")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_connector_tenant_id"), ondelete="RESTRICT"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "created_by"],
            ["user_account.tenant_id", "user_account.id"],
            name=op.f("fk_connector_created_by"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_connector")),
    )
    op.create_index(
        "uq_connector_key_in_use",
        "connector",
        ["tenant_id", "key"],
        unique=True,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_table("connector")

"""Documents: from when a revision is in effect.

Revision: 0006, after 0005
Made: 2026-11-22 23:12:00
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("document", sa.Column("effective_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_document_due", "document", ["tenant_id", "effective_at"],
        unique=False, postgresql_where=sa.text("state = 'released'"),
    )  # fmt: skip


def downgrade() -> None:
    op.drop_index("ix_document_due", table_name="document", postgresql_where=sa.text("state = 'released'"))
    op.drop_column("document", "effective_at")

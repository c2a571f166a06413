"""Commands lose an index that nobody asks and that could be taken for the primary key.

Revision: 0018, after 0017
Made: 2026-11-30 14:30:00
"""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

INDEX = "ix_command_tenant_id_request_key"


def upgrade() -> None:
    op.drop_index(INDEX, "command")


def downgrade() -> None:
    op.create_index(INDEX, "command", ["tenant_id", "actor_id", "request_key"])

"""Dead letters are counted at each scrape of the metrics, and among millions of deliveries they are few.

Revision: 0014, after 0013
Made: 2026-11-30 07:05:00
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

DEAD = sa.text("state = 'dead'")


def upgrade() -> None:
    op.create_index("ix_notification_delivery_dead", "notification_delivery", ["channel"], postgresql_where=DEAD)


def downgrade() -> None:
    op.drop_index("ix_notification_delivery_dead", table_name="notification_delivery", postgresql_where=DEAD)

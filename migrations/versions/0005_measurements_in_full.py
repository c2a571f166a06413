"""Measurements in full: limits, gauges, units as read, samples.

Revision: 0005, after 0004
Made: 2026-11-22 23:05:00
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("measurement_definition", sa.Column("lower_limit", sa.Numeric(), nullable=True))
    op.add_column("measurement_definition", sa.Column("upper_limit", sa.Numeric(), nullable=True))
    op.add_column(
        "measurement_definition",
        sa.Column("gauge_required", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    op.create_check_constraint(
        op.f("ck_measurement_definition_limits"), "measurement_definition",
        "lower_limit IS NULL OR upper_limit IS NULL OR lower_limit <= upper_limit",
    )  # fmt: skip
    op.add_column("measurement", sa.Column("given_value", sa.Numeric(), nullable=True))
    op.add_column("measurement", sa.Column("given_unit", sa.String(), nullable=True))
    op.add_column("measurement", sa.Column("gauge_id", sa.Uuid(), nullable=True))
    op.add_column("measurement", sa.Column("calibration_due", sa.Date(), nullable=True))
    op.add_column("measurement", sa.Column("sample", sa.Integer(), nullable=True))
    op.create_foreign_key(
        op.f("fk_measurement_gauge_id"), "measurement", "subject", ["tenant_id", "gauge_id"], ["tenant_id", "id"],
        ondelete="RESTRICT",
    )  # fmt: skip


def downgrade() -> None:
    op.drop_constraint(op.f("fk_measurement_gauge_id"), "measurement", type_="foreignkey")
    for name in ("given_value", "given_unit", "gauge_id", "calibration_due", "sample"):
        op.drop_column("measurement", name)
    op.drop_constraint(op.f("ck_measurement_definition_limits"), "measurement_definition", type_="check")
    for name in ("lower_limit", "upper_limit", "gauge_required"):
        op.drop_column("measurement_definition", name)

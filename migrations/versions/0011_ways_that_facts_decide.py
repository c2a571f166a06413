"""Decisions by facts: results and comparisons on edges in the order of drawing, quality reports; kinds of steps.

Revision: 0011, after 0010
Made: 2026-11-22 23:30:00
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

OLD = "'task', 'start', 'decision', 'rework', 'timer', 'terminal'"
NEW = OLD + ", 'fork', 'join', 'message', 'automatic'"


def upgrade() -> None:
    op.drop_constraint(op.f("ck_step_step_type"), "step", type_="check")
    op.create_check_constraint(op.f("ck_step_step_type"), "step", f"step_type IN ({NEW})")
    empty = {"results": sa.text("'[]'::jsonb"), "config": sa.text("'{}'::jsonb")}
    for name, default in empty.items():
        column = sa.Column(name, postgresql.JSONB(astext_type=sa.Text()), server_default=default, nullable=False)
        op.add_column("step_edge", column)
    op.add_column("step_edge", sa.Column("drawn", sa.Integer(), nullable=True))
    op.execute("ALTER TABLE step_edge NO FORCE ROW LEVEL SECURITY")
    op.execute(
        "UPDATE step_edge e SET drawn = n.number FROM (SELECT tenant_id, id, row_number() OVER"
        " (PARTITION BY tenant_id, process_id ORDER BY id) - 1 AS number FROM step_edge) n"
        " WHERE (n.tenant_id, n.id) = (e.tenant_id, e.id)"
    )
    op.execute("ALTER TABLE step_edge FORCE ROW LEVEL SECURITY")
    op.alter_column("step_edge", "drawn", nullable=False)
    op.drop_constraint("uq_step_edge_once", "step_edge", type_="unique")
    op.create_unique_constraint("uq_step_edge_drawn", "step_edge", ["process_id", "drawn", "tenant_id"])
    op.create_table(
        "quality_report",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("execution_id", sa.Uuid(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column(
            "measurements",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
        ),
        sa.Column("reported_by", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("source", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.CheckConstraint("status IN ('pass', 'fail', 'pending')", name=op.f("ck_quality_report_status")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "subject_id"],
            ["subject.tenant_id", "subject.id"],
            name=op.f("fk_quality_report_subject_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "execution_id"],
            ["step_execution.tenant_id", "step_execution.id"],
            name=op.f("fk_quality_report_execution_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "reported_by"],
            ["user_account.tenant_id", "user_account.id"],
            name=op.f("fk_quality_report_reported_by"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_quality_report")),
    )
    op.create_index("ix_quality_report_subject", "quality_report", ["tenant_id", "subject_id", "at"])
    op.create_index("ix_quality_report_at", "quality_report", ["tenant_id", "at"])


def downgrade() -> None:
    op.drop_table("quality_report")
    op.drop_constraint("uq_step_edge_drawn", "step_edge", type_="unique")
    op.create_unique_constraint(
        "uq_step_edge_once",
        "step_edge",
        ["tenant_id", "process_id", "from_step_id", "to_step_id", "edge_type", "condition"],
    )
    for name in ("drawn", "config", "results"):
        op.drop_column("step_edge", name)
    op.drop_constraint(op.f("ck_step_step_type"), "step", type_="check")
    op.create_check_constraint(op.f("ck_step_step_type"), "step", f"step_type IN ({OLD})")

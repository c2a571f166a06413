"""The rows of an approved version: steps, their places, requirements and edges, for reports and foreign keys."""

from typing import Any, Final
from uuid import uuid5

from sqlmodel.ext.asyncio.session import AsyncSession

from models.flow.graph import Graph
from models.flow.graph import Step as FlowStep
from models.flow.ids import requirement_id, step_id
from models.store.bulk import insert_rows
from models.tables import Process, ProcessStep, Step, StepEdge, StepRequirement


async def write_steps(session: AsyncSession, process: Process, graph: Graph) -> None:
    """The rows of an approved version, with the ids that the engine computes too (`models.flow.ids`)."""
    tenant, version = process.tenant_id, process.id
    steps = tuple(graph.steps.values())
    await insert_rows(session, Step, [_step_row(process, step) for step in steps])
    await insert_rows(
        session,
        ProcessStep,
        [
            {
                "tenant_id": tenant,
                "id": uuid5(version, f"process_step/{step.key}"),
                "process_id": version,
                "step_id": step_id(version, step.key),
                "order": step.order,
            }
            for step in steps
        ],
    )
    await insert_rows(
        session,
        StepRequirement,
        [
            {
                "tenant_id": tenant,
                "id": requirement_id(version, step.key, one.key),
                "step_id": step_id(version, step.key),
                "key": one.key,
                "requirement_type": one.requirement_type,
                "name": one.name,
                "description": one.description,
                "is_mandatory": one.is_mandatory,
                "order": one.order,
                "config": dict(one.config),
            }
            for step in steps
            for one in step.requirements
        ],
    )
    await insert_rows(
        session,
        StepEdge,
        [
            {
                "tenant_id": tenant,
                "id": uuid5(version, f"edge/{number}"),
                "process_id": version,
                "from_step_id": step_id(version, edge.from_step),
                "to_step_id": step_id(version, edge.to_step),
                "edge_type": edge.edge_type,
                "condition": edge.condition,
                "results": list(edge.results),
                "config": dict(edge.config),
                "drawn": number,
            }
            for number, edge in enumerate(one for key in graph.steps for one in graph.edges.get(key, ()))
        ],
    )


_COPIED: Final = (
    "key", "name", "description", "step_type", "is_decision_point", "decision_type", "is_terminal", "terminal_status",
    "requires_explicit_start", "requires_operator_completion", "requires_batch_completion", "requires_qa_signoff",
    "max_visits", "expected_duration", "max_duration", "escalate_on_overdue", "ordered", "config",
)  # fmt: skip


def _step_row(process: Process, step: FlowStep) -> dict[str, Any]:
    copied = {name: getattr(step, name) for name in _COPIED}
    return {
        "tenant_id": process.tenant_id,
        "id": step_id(process.id, step.key),
        "process_id": process.id,
        **copied,
        "config": dict(step.config),
    }

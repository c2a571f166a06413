"""What a record sets off inside Temporal: nested instances as child workflows.

Children outlive their parent's run (ABANDON): a parent that continues as new must not end them (TEMPORAL: children do
not survive otherwise). "Already started" counts as started: a run that came back tries all of them again.
"""

import asyncio
from itertools import islice

from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import FailureError, WorkflowAlreadyStartedError

from models.flow.state import Child
from workflows.contract import WORKFLOW, InstanceInput, shortened
from workflows.engine import Engine

SLICE = 100
"""Children started at once; more would crowd the workflow task."""


async def start_children(start: InstanceInput, engine: Engine) -> tuple[str, ...]:
    """Start what is requested and does not run yet.

    Returns:
        Ids of children that run now, to be noted in the journal.
    """
    due = tuple(islice(engine.unstarted_children(), SLICE))
    await asyncio.gather(*(_start(start, engine, child_id, child) for child_id, child in due))
    return tuple(child_id for child_id, _ in due)


async def _start(start: InstanceInput, engine: Engine, child_id: str, child: Child) -> None:
    step = engine.graph.name_of(child.ref.step)
    told = f"child of {engine.info.identifier} · {step} · {child.requirement}"
    try:
        await workflow.start_child_workflow(
            WORKFLOW,
            InstanceInput(tenant_id=start.tenant_id, instance_id=child_id, limits=start.limits),
            id=child_id,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            parent_close_policy=workflow.ParentClosePolicy.ABANDON,
            static_summary=shortened(told),
        )
    except WorkflowAlreadyStartedError:
        workflow.logger.info("child %s runs already", child_id)
    except FailureError as error:
        workflow.logger.warning("child %s is left for the outbox to start: %s", child_id, error)

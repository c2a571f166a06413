"""How PostgreSQL carries out what a record asks of it, also where its statistics know nothing of the instance."""

from uuid import UUID

import pytest
from sqlalchemy import text

from activities.contract import Cohort
from activities.projection import Place, projected
from models.db import owner_engine, tenant_session
from models.flow import events as ev
from models.flow.state import Ref
from models.tables import Process
from tests.flow.scene import NOW
from tests.support.plant import Plant, end, line, step

SUBJECTS = 500


async def entering(plant: Plant, process: Process, instance: UUID) -> str:
    """The plan for all subjects that enter the first step."""
    entered = Cohort(event=ev.ExecutionEntered(ref=Ref(0, "mill"), at=NOW), subjects=tuple(range(SUBJECTS)))
    place = Place(plant.tenant, instance, process.id)
    (statement,) = projected(place, entered)
    async with tenant_session(plant.app, plant.tenant) as session:
        connection = await session.connection()
        asked = text(f"EXPLAIN {statement.clause.text}")
        return "\n".join((await connection.execute(asked, dict(statement.parameters))).scalars())


@pytest.mark.parametrize("known", [False, True])
async def test_subjects_enter_by_key_whatever_the_statistics_say(idle_plant: Plant, known: bool) -> None:
    """Analysed before the instance came, they promise no subject of it; 10,000 would be compared with each other."""
    process = await idle_plant.approve(line(step("mill"), end()))
    earlier = await idle_plant.start(process, SUBJECTS, signal=False)
    owner = owner_engine(idle_plant.settings)
    async with tenant_session(owner, idle_plant.tenant) as session:
        await (await session.connection()).execute(text("ANALYZE workflow_subject, subject"))
    await owner.dispose()
    later = earlier if known else await idle_plant.start(process, SUBJECTS, signal=False)
    plan = await entering(idle_plant, process, later)
    assert "Join Filter" not in plan
    assert "Index Scan using pk_workflow_subject" in plan
    assert "(subject_no = given.subject_no)" in plan

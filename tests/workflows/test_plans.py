"""How PostgreSQL carries out what a record asks of it, also where its statistics know nothing of the instance."""

import re
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event, text

from activities.contract import Cohort
from activities.facts import _VISITS, asking
from activities.projection import Place, projected
from models.db import owner_engine, tenant_session
from models.flow import events as ev
from models.flow.state import Ref, execution_id
from models.store.acceptance import accepting, lone
from models.store.bulk import change
from models.store.inbox import InboxFilter, list_tasks
from models.tables import Command, Process
from models.wire import Statement, tenant_wire
from tests.flow.scene import NOW
from tests.support.plant import Plant, end, line, step

SUBJECTS = 500
UNTIL_PLANNED = 12
"""Uses after which the driver prepares a statement, and then those after which PostgreSQL may keep its plan."""


async def analyse(plant: Plant, tables: str) -> None:
    """What autovacuum does within a minute."""
    owner = owner_engine(plant.settings)
    async with tenant_session(owner, plant.tenant) as session:
        await (await session.connection()).execute(text(f"ANALYZE {tables}"))
    await owner.dispose()


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
    await analyse(idle_plant, "workflow_subject, subject")
    later = earlier if known else await idle_plant.start(process, SUBJECTS, signal=False)
    plan = await entering(idle_plant, process, later)
    assert "Join Filter" not in plan
    assert "Index Scan using pk_workflow_subject" in plan
    assert "(subject_no = given.subject_no)" in plan


async def test_one_command_reads_one_execution_however_many_there_are(plant: Plant) -> None:
    """The planner takes JSON for a hundred rows, and to match so many it would rather read all executions."""
    instance = await plant.begin(line(step("mill"), end()), SUBJECTS)
    execution = execution_id(instance, Ref(3, "mill"))
    one = lone(plant.person("bob"), "claim", execution, {}, key=None, fingerprint="")
    assert one is not None
    command = await plant.accept(instance, "claim", [Ref(3, "mill")])
    await analyse(plant, "step_execution, workflow_instance, subject, command")
    of_command = asking(plant.tenant, instance, [str(command)])
    async with tenant_wire(plant.app, plant.tenant) as wire:
        for statement in (accepting(plant.tenant, [one]), *of_command):
            asked = Statement(text(f"EXPLAIN ANALYZE {statement.clause.text}"), statement.parameters)
            (rows,) = await wire.fetch(asked)
            plan = "\n".join(row[0] for row in rows)
            scans = [scan for scan in plan.splitlines() if " on step_execution" in scan]
            assert scans or "step_execution" not in statement.clause.text, plan
            read = [float(one) for scan in scans for one in re.findall(r"actual .*rows=([\d.]+) loops=", scan)]
            assert max(read, default=0) <= 1, plan
            assert f"Rows Removed by Filter: {SUBJECTS - 1}" not in plan, plan


async def test_what_happens_to_one_execution_is_planned_once(plant: Plant) -> None:
    """A list would be planned anew each time, which takes longer than to do it."""
    await plant.begin(line(step("mill"), end()), SUBJECTS)
    await analyse(plant, "step_execution")
    completed = ev.ExecutionCompleted(ref=Ref(0, "mill"), at=NOW, by=None)
    (statement,) = projected(Place(plant.tenant, uuid4(), uuid4()), Cohort(event=completed, subjects=(0,)))
    known = text("SELECT generic_plans FROM pg_prepared_statements WHERE statement LIKE 'UPDATE step_execution%'")
    async with tenant_wire(plant.app, plant.tenant) as wire:
        wire.later(*[statement] * UNTIL_PLANNED)
        ((prepared,),) = await wire.fetch(Statement(known, {}))
    assert prepared.generic_plans > 0


@pytest.mark.parametrize("table", ["step_execution", "command"])
async def test_a_row_is_found_by_its_key_while_its_table_counts_as_empty(idle_plant: Plant, table: str) -> None:
    """So every row of evidence finds its own; the first plan is kept until somebody analyses the table."""
    lookup = "EXPLAIN SELECT FROM fresh WHERE tenant_id = :tenant AND id = :tenant FOR KEY SHARE"
    owner = owner_engine(idle_plant.settings)
    async with tenant_session(owner, idle_plant.tenant) as session:
        connection = await session.connection()
        await connection.execute(text(f"CREATE TEMP TABLE fresh (LIKE {table} INCLUDING INDEXES) ON COMMIT DROP"))
        plan = "\n".join((await connection.execute(text(lookup), {"tenant": idle_plant.tenant})).scalars())
    await owner.dispose()
    assert "(id = " in plan.partition("Index Cond:")[2].partition("\n")[0], plan


async def test_an_outcome_is_written_by_key_while_nobody_has_analysed_the_commands(idle_plant: Plant) -> None:
    """Every lone command went through all that there were."""
    row = {"tenant_id": idle_plant.tenant, "id": uuid4(), "outcome": "accepted"}
    statement = change(Command, [row])
    async with tenant_wire(idle_plant.app, idle_plant.tenant) as wire:
        explained = Statement(text(f"EXPLAIN {statement.clause.text}"), statement.parameters)
        (rows,) = await wire.fetch(explained)
    plan = "\n".join(one[0] for one in rows)
    assert "(id = " in plan.partition("Index Cond:")[2].partition("\n")[0], plan


async def test_where_subjects_have_been_is_looked_up_subject_by_subject(plant: Plant) -> None:
    """Statistics that are older than the instance promise few executions of it, and all would be gone through."""
    graph = line(step("mill"), end())
    await plant.begin(graph, SUBJECTS // 10)
    await analyse(plant, "step_execution")
    instance = await plant.begin(graph, SUBJECTS)
    keys = {"tenant": plant.tenant, "instance": instance, "subjects": list(range(SUBJECTS)), "steps": ["mill"]}
    async with tenant_wire(plant.app, plant.tenant) as wire:
        (rows,) = await wire.fetch(Statement(text(f"EXPLAIN ANALYZE {_VISITS.text}"), keys))
    plan = "\n".join(row[0] for row in rows)
    (key,) = re.findall(r"Index Cond: (.*subject_no.*)", plan)
    assert "(subject_no = named.subject_no)" in key
    assert "step_key" not in key, "a list counts for many keys, and a worse index looks better"
    assert f"loops={SUBJECTS}" in plan
    assert "Rows Removed by Filter" not in plan


async def test_who_has_what_to_do_is_worked_out_once(plant: Plant) -> None:
    """As the inner side of a nested loop it was worked out anew for every execution there is: 30 s and more."""
    await plant.begin(line(step("mill"), end()), SUBJECTS // 10)
    asked: list[tuple[str, Any]] = []

    def heard(*told: Any) -> None:
        asked.append((told[2], told[3]))

    pool = plant.app.sync_engine
    async with tenant_session(plant.app, plant.tenant) as session:
        event.listen(pool, "before_cursor_execute", heard)
        try:
            tasks = await list_tasks(session, plant.person("bob"), InboxFilter(), after=None, limit=SUBJECTS)
        finally:
            event.remove(pool, "before_cursor_execute", heard)
        assert len(tasks) == SUBJECTS // 10
        (query, parameters) = asked[-1]
        connection = await session.connection()
        # What the planner may choose where its statistics mislead it.
        await connection.execute(text("SET LOCAL enable_hashjoin = off"))
        await connection.execute(text("SET LOCAL enable_mergejoin = off"))
        await connection.execute(text("SET LOCAL enable_material = off"))
        plan = "\n".join((await connection.exec_driver_sql(f"EXPLAIN ANALYZE {query}", parameters)).scalars())
    assert re.findall(r"Append .*loops=(\d+)", plan) == ["1"], plan

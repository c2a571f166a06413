"""`gatework verify`: every instance's rows against its journal, every hash chain against its head; and the repair.

Works through the tenants in pages, each page in a snapshot of its own, so that it runs beside the engine and its memory
stays as it is. What is listed is limited; what is counted is not.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from itertools import groupby
from typing import Any, Final
from uuid import UUID

from pydantic_core import to_jsonable_python
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import col, select

from activities.agreement import Difference, differences
from activities.repair import RepairRefusedError, repair
from models.db import app_engine, owner_engine, snapshot_session, system_engine, system_session, tenant_session
from models.enums import Chain
from models.settings import Settings
from models.store.checkpoints import verify_checkpoints
from models.store.verify import Problem, strays, verify_chains, verify_long_chain
from models.tables import Tenant

LISTED: Final = 1_000
PAGES: Final = {Chain.INSTANCE: 50, Chain.EXECUTION: 500}
"""How many chains go into one snapshot; an instance brings its journal and all its rows with it."""

_IDS: Final = {
    chain: text(f"SELECT id FROM {table} WHERE tenant_id = :tenant AND id > :after ORDER BY id LIMIT :limit")  # noqa: S608
    for chain, table in ((Chain.INSTANCE, "workflow_instance"), (Chain.EXECUTION, "step_execution"))
}


@dataclass(slots=True)
class Report:
    """What was looked at and what was found."""

    instances: int = 0
    chains: int = 0
    found: int = 0
    differences: list[dict[str, Any]] = field(default_factory=list)
    problems: list[dict[str, Any]] = field(default_factory=list)
    repaired: list[dict[str, Any]] = field(default_factory=list)
    refused: list[dict[str, Any]] = field(default_factory=list)
    open: int = 0
    """Findings that still hold: instances that differ and were not repaired, and problems of chains."""

    @property
    def is_clean(self) -> bool:
        """Nothing is wrong, or everything that was has been repaired."""
        return self.open == 0

    def as_json(self) -> dict[str, Any]:
        """The report for programs."""
        return {"clean": self.is_clean, **asdict(self)}

    def lines(self) -> Iterator[str]:
        """The report for people."""
        for one in self.differences:
            yield f"{one['instance']}: {one['what']}: row {one['rows']!r}, journal {one['journal']!r}"
        for one in self.problems:
            row = f", {one['table']} {one['row']}" if one["table"] else ""
            yield f"chain of {one['chain']} {one['chain_id']}: {one['what']} at link {one['n']}{row}"
        for one in self.repaired:
            yield f"{one['instance']}: repaired ({one['differences']} differences)"
        for one in self.refused:
            yield f"{one['instance']}: NOT repaired: {one['why']}"
        listed = len(self.differences) + len(self.problems)
        if self.found > listed:
            yield f"… and {self.found - listed} more"
        verdict = "all is as the journal tells" if self.is_clean else f"{self.open} open findings"
        yield f"{self.instances} instances, {self.chains} hash chains: {verdict}."

    def note_differences(self, tenant: UUID, instance: UUID, found: Sequence[Difference]) -> None:
        """Rows and journal of an instance part."""
        self.found += len(found)
        room = max(LISTED - len(self.differences), 0)
        self.differences += [_shown(one, tenant=tenant, instance=instance) for one in found[:room]]

    def note_problems(self, tenant: UUID, found: Sequence[Problem]) -> None:
        """Chains are not as they were written."""
        self.found += len(found)
        self.open += len(found)
        room = max(LISTED - len(self.problems), 0)
        self.problems += [_shown(one, tenant=tenant) for one in found[:room]]


def _shown(one: Difference | Problem, **where: UUID) -> dict[str, Any]:
    shown: dict[str, Any] = to_jsonable_python({**where, **asdict(one)}, fallback=str)
    return shown


async def verify(settings: Settings, *, repair: bool = False) -> Report:
    """Look through all tenants.

    Args:
        settings: Where the database is.
        repair: Put right what differs, with the owner's login.
    """
    report = Report()
    async with AsyncExitStack() as stack:
        app, system = app_engine(settings), system_engine(settings)
        stack.push_async_callback(app.dispose)
        stack.push_async_callback(system.dispose)
        owner = owner_engine(settings) if repair else None
        if owner is not None:
            stack.push_async_callback(owner.dispose)
        async with system_session(system) as session:
            tenants = (await session.exec(select(Tenant.id).order_by(col(Tenant.id)))).all()
        for tenant in tenants:
            await _Walk(report, app, owner, tenant).all()
    return report


@dataclass(frozen=True, slots=True)
class _Walk:
    """Through one tenant."""

    report: Report
    app: AsyncEngine
    owner: AsyncEngine | None
    tenant: UUID

    async def all(self) -> None:
        """Rows first, for a repair adds to the chains that are looked at afterwards."""
        async for ids in self._pages(Chain.INSTANCE):
            await self._rows(ids)
        for chain in PAGES:
            async for ids in self._pages(chain):
                await self._chains(chain, ids)
        async with snapshot_session(self.app, self.tenant) as session:
            found = await verify_long_chain(session, self.tenant, Chain.TENANT, self.tenant)
            found += await verify_checkpoints(session, self.tenant)
            self.report.chains += 1
            self.report.note_problems(self.tenant, found)
            lost = await strays(session, self.tenant)
        for kind, named in groupby(lost, key=lambda one: one[0]):
            await self._chains(kind, [chain_id for _, chain_id in named])

    async def _pages(self, chain: Chain) -> AsyncIterator[list[UUID]]:
        after, limit = UUID(int=0), PAGES[chain]
        while True:
            async with tenant_session(self.app, self.tenant) as session:
                keys = {"tenant": self.tenant, "after": after, "limit": limit}
                ids = list((await (await session.connection()).execute(_IDS[chain], keys)).scalars())
            if ids:
                yield ids
            if len(ids) < limit:
                return
            after = ids[-1]

    async def _rows(self, instances: Sequence[UUID]) -> None:
        self.report.instances += len(instances)
        async with snapshot_session(self.app, self.tenant) as session:
            connection = await session.connection()
            found = {one: await differences(connection, self.tenant, one) for one in instances}
        for instance, differing in found.items():
            if differing:
                self.report.note_differences(self.tenant, instance, differing)
                await self._settle(instance)

    async def _settle(self, instance: UUID) -> None:
        if self.owner is None:
            self.report.open += 1
            return
        named = {"tenant": str(self.tenant), "instance": str(instance)}
        try:
            async with tenant_session(self.owner, self.tenant) as session:
                repaired = await repair(session, self.tenant, instance)
        except RepairRefusedError as error:
            self.report.open += 1
            self.report.refused.append({**named, "why": str(error)})
            return
        self.report.repaired.append({**named, "differences": len(repaired)})

    async def _chains(self, chain: Chain, ids: Sequence[UUID]) -> None:
        self.report.chains += len(ids)
        async with snapshot_session(self.app, self.tenant) as session:
            self.report.note_problems(self.tenant, await verify_chains(session, self.tenant, chain, ids))

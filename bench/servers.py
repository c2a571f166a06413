"""Throw-away servers as `gatework dev` runs them: PostgreSQL that waits for the disk, Temporal with its WAL."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from psycopg import sql
from pydantic import SecretStr
from temporalio.client import Client

from api.acceptance import Acceptance
from api.waiter import Waiter, listen_url
from bench.cpu import Meter
from bench.lean_http import LeanHttp
from bench.ours import BySignal, OverHttp, Site, administrator, make_process
from models.db import app_engine, system_engine
from models.settings import Settings
from models.store.bootstrap import MAIN, tenant_id_of
from tests.e2e.product import ADMIN_PASSWORD, Product
from workers.embedded.postgres import EmbeddedPostgres
from workers.embedded.process import LOOPBACK
from workers.embedded.temporal import EmbeddedTemporal, TemporalPorts
from workers.run_worker import serve
from workers.temporal_client import connect
from workflows.starting import Signals

BY_HAND = "by_hand"
PRODUCT = "product"
ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Servers:
    """Both servers, with an empty database for the rows and a prepared one for the product."""

    postgres: EmbeddedPostgres
    temporal: EmbeddedTemporal
    product: Product

    async def client(self) -> Client:
        """A connection with the Pydantic converter, as our worker has it."""
        return await connect({"TEMPORAL_ADDRESS": self.temporal.address})

    @property
    def hand_url(self) -> str:
        """The rows' database, as libpq takes it."""
        return listen_url(self.postgres.url(BY_HAND))

    def analyse(self) -> None:
        """Bring the planner's statistics up to date, as autovacuum does once a minute: passes take less than that."""
        for database in (BY_HAND, PRODUCT):
            with self.postgres.connect(database) as connection:
                connection.execute("ANALYZE")

    def meter(self) -> Meter:
        """Counts this process, the servers, and the product's processes where they run."""
        roots = {"this process": (os.getpid(),), "PostgreSQL": _pid(self.postgres), "Temporal": _pid(self.temporal)}
        return Meter(roots | {name: (one.pid,) for name, one in self.product.processes.items()})

    @property
    def settings(self) -> Settings:
        """What the worker in this process is told; the same as the product's processes."""
        return Settings(
            database_url=SecretStr(self.product.database_url),
            core_task_queue=self.product.queue,
            run_site=False,
            shutdown_seconds=5,
        )


def _pid(server: EmbeddedPostgres | EmbeddedTemporal) -> tuple[int, ...]:
    return () if server.pid is None else (server.pid,)


@contextmanager
def servers() -> Iterator[Servers]:
    """Start everything, and leave nothing behind. Call it from the main thread, outside an event loop."""
    with (
        tempfile.TemporaryDirectory(prefix="gatework-bench-", ignore_cleanup_errors=True) as name,
        EmbeddedPostgres(Path(name) / "postgres" / "data", durable=True) as postgres,
        EmbeddedTemporal(Path(name) / "temporal", ports=TemporalPorts(grpc=0, ui=0)) as temporal,
    ):
        with postgres.connect() as connection:
            for database in (BY_HAND, PRODUCT):
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
        product = Product(
            folder=Path(name),
            database_url=postgres.url(PRODUCT),
            temporal_address=temporal.address,
            queue=PRODUCT,
        )
        product.prepare()
        try:
            yield Servers(postgres, temporal, product)
        finally:
            product.stop_all()


@asynccontextmanager
async def site_of(running: Servers) -> AsyncIterator[Site]:
    """The installation with the benchmark's process."""
    app = app_engine(running.settings)
    person = await administrator(app, tenant_id_of(MAIN), ADMIN)
    try:
        client = await running.client()
        yield Site(
            app=app,
            client=client,
            signals=Signals(client),
            acceptance=Acceptance(app),
            queue=running.product.queue,
            person=person,
            process=await make_process(app, person),
        )
    finally:
        await app.dispose()


@asynccontextmanager
async def by_signal(running: Servers, site: Site) -> AsyncIterator[BySignal]:
    """Our worker in this very process, as the rows have theirs."""
    stop = asyncio.Event()
    async with caller(running, site) as ours:
        serving = asyncio.create_task(serve(running.settings, site.client, stop))
        try:
            yield ours
        finally:
            stop.set()
            await serving


@asynccontextmanager
async def caller(running: Servers, site: Site) -> AsyncIterator[BySignal]:
    """Who commands and waits for outcomes, in this process; the worker is somebody else's."""
    system = system_engine(running.settings)
    async with Waiter(listen_url(running.product.database_url), system) as waiter:
        yield BySignal(site, waiter)
    await system.dispose()


@asynccontextmanager
async def over_http(running: Servers, site: Site) -> AsyncIterator[OverHttp]:
    """One API process and one worker process, as installed."""
    product = running.product
    try:
        for process in ("worker-1", "api"):
            await asyncio.to_thread(product.start, process)
        http = LeanHttp(LOOPBACK, product.port)
        await http.log_in(ADMIN, ADMIN_PASSWORD)
        yield OverHttp(site, http)
        await http.close()
    finally:
        for process in list(product.processes):
            await asyncio.to_thread(product.stop, process)

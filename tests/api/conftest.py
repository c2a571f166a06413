"""One app on a real database for all tests of the routes; each test makes its own processes and subjects."""

import threading
import time
from collections.abc import Iterator

import anyio
import httpx
import psycopg
import pytest
import uvicorn
from fastapi import FastAPI
from psycopg import sql
from psycopg.rows import dict_row
from pydantic import SecretStr

from api.app import create_app
from models.settings import Settings
from models.store.bootstrap import bootstrap
from tests.api.caller import PASSWORD, AuditReader, Caller, Json, hired
from tests.api.engine import EngineDouble
from workers.embedded.postgres import EmbeddedPostgres

DATABASE = "api_routes"


@pytest.fixture(scope="session")
def api_settings(
    postgres: EmbeddedPostgres, migrated_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Settings:
    """A migrated database with two tenants: `main`, and `sandbox`."""
    new = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
    with postgres.connect() as connection:
        connection.execute(new.format(sql.Identifier(DATABASE), sql.Identifier(migrated_template)))
    settings = Settings(
        database_url=SecretStr(postgres.url(DATABASE)),
        data_dir=tmp_path_factory.mktemp("api"),
        admin_password=SecretStr(PASSWORD),
        command_wait_seconds=5,
    )
    anyio.run(bootstrap, settings)
    return settings


@pytest.fixture(scope="session")
def double(api_settings: Settings) -> EngineDouble:
    """What stands in for Temporal, of the whole session."""
    return EngineDouble(api_settings)


@pytest.fixture
def engine(double: EngineDouble) -> Iterator[EngineDouble]:
    """What stands in for Temporal; hears everything again afterwards."""
    yield double
    double.reset()


@pytest.fixture(scope="session")
def app(api_settings: Settings, double: EngineDouble) -> FastAPI:
    """The app under test."""
    return create_app(api_settings, gateway=double)


@pytest.fixture(scope="session")
def client(app: FastAPI) -> Iterator[httpx.Client]:
    """Speaks HTTP to the app, which runs in a thread of its own."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, ws="none"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as speaking:
        yield speaking
    server.should_exit = True
    thread.join(10)


@pytest.fixture
def audit(postgres: EmbeddedPostgres) -> AuditReader:
    """Reads the trail where the API shows none: what belongs to no instance."""

    def read(action: str, actor_id: str) -> Json:
        query = "SELECT * FROM audit_entry WHERE action = %s AND actor_id = %s ORDER BY at DESC LIMIT 1"
        with psycopg.connect(postgres.url(DATABASE).replace("+psycopg", ""), row_factory=dict_row) as connection:
            row = connection.execute(query, (action, actor_id)).fetchone()
        assert row is not None
        return row

    return read


@pytest.fixture(scope="session")
def admin(client: httpx.Client) -> Caller:
    return Caller(client, "admin")


@pytest.fixture(scope="session")
def engineer(admin: Caller) -> Caller:
    return hired(admin, "engineer")


@pytest.fixture(scope="session")
def operator(admin: Caller) -> Caller:
    return hired(admin, "operator")


@pytest.fixture(scope="session")
def quality(admin: Caller) -> Caller:
    return hired(admin, "quality_manager")


@pytest.fixture(scope="session")
def auditor(admin: Caller) -> Caller:
    return hired(admin, "auditor")


@pytest.fixture(scope="session")
def foreigner(client: httpx.Client) -> Caller:
    """The administrator of another tenant."""
    return Caller(client, "sandbox-admin")

"""Health and metrics, for load balancers, process managers and Prometheus. Open to anybody: they say nothing secret."""

from functools import cache
from importlib.resources import files
from typing import Any

from alembic.config import Config
from alembic.script import ScriptDirectory
from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse, RedirectResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from api.backlog import backlog
from api.deps import Held
from api.services import Services
from models.db import system_session

router = APIRouter(tags=["operations"])


class Health(BaseModel):
    """Whether the process lives."""

    status: str


class Readiness(BaseModel):
    """Whether it can work: `ok`, or what is wrong, per part."""

    status: str
    checks: dict[str, str]


@router.get("/", include_in_schema=False)
async def get_root() -> RedirectResponse:
    """Until there is a web app, people who open the address find the documentation of the API."""
    return RedirectResponse("/docs")


@router.get("/healthz", response_model=Health)
async def get_health() -> Any:
    """The process answers."""
    return JSONResponse({"status": "ok"})


@router.get(
    "/readyz",
    response_model=Readiness,
    responses={503: {"model": Readiness, "description": "Not ready; see `checks`."}},
)
async def get_readiness(held: Held) -> Any:
    """Database, migrations and Temporal answer."""
    checks = await _database(held)
    checks["temporal"] = "ok" if await held.gateway.healthy() else "does not answer"
    ready = all(found == "ok" for found in checks.values())
    return JSONResponse({"status": "ok" if ready else "unavailable", "checks": checks}, 200 if ready else 503)


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def get_metrics(held: Held) -> Response:
    """Prometheus text format."""
    text_format = generate_latest() + generate_latest(await backlog(held.system))
    return Response(text_format, media_type=CONTENT_TYPE_LATEST)


async def _database(held: Services) -> dict[str, str]:
    try:
        async with system_session(held.system) as session:
            connection = await session.connection()
            applied = set((await connection.execute(text("SELECT version_num FROM alembic_version"))).scalars())
    except (SQLAlchemyError, OSError) as error:
        return {"database": f"does not answer ({type(error).__name__})", "migrations": "unknown"}
    wanted = _heads()
    missing = f"at {', '.join(sorted(applied)) or 'nothing'}, wants {', '.join(sorted(wanted))}"
    return {"database": "ok", "migrations": "ok" if applied == wanted else missing}


@cache
def _heads() -> frozenset[str]:
    config = Config()
    config.set_main_option("script_location", str(files("migrations")))
    return frozenset(ScriptDirectory.from_config(config).get_heads())

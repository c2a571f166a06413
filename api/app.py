"""The HTTP application: what it is made of, and what it holds while it runs.

Every module of `api.routes` with a `router` is part of it; nothing is registered by hand.
"""

import importlib
import pkgutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import APIRouter, Depends, FastAPI

import api.routes
from api import docs_page, openapi, problems
from api.deps import note_refusal
from api.gateway import Gateway, TemporalGateway
from api.observe import Observed
from api.parameters import known_parameters_only
from api.services import Services
from api.waiter import Waiter, listen_url
from models.db import app_engine, system_engine
from models.settings import Settings

MIB = 1024 * 1024
"""Room around an uploaded file."""


def create_app(settings: Settings | None = None, *, gateway: Gateway | None = None) -> FastAPI:
    """Build the application.

    Args:
        settings: Read from the environment unless given.
        gateway: Stands in for Temporal in tests.
    """
    chosen = settings or Settings()
    largest = chosen.document_max_bytes + MIB

    @asynccontextmanager
    async def lifespan(running: FastAPI) -> AsyncIterator[None]:
        app, system = app_engine(chosen), system_engine(chosen)
        door = gateway or TemporalGateway(task_queue=chosen.core_task_queue)
        async with Waiter(_listen_url(chosen), system) as waiter:
            running.state.services = Services.of(chosen, app, system, door, waiter)
            yield
        await app.dispose()
        await system.dispose()

    built = FastAPI(
        title="Gatework",
        version=version("gatework"),
        summary="Workflow engine for regulated manufacturers.",
        description=openapi.DESCRIPTION,
        openapi_tags=openapi.TAGS,
        openapi_url="/openapi.json",
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        redirect_slashes=True,
        generate_unique_id_function=openapi.operation_id,
        lifespan=lifespan,
        dependencies=[Depends(known_parameters_only)],
    )
    problems.install(built)
    built.state.note_refusal = note_refusal
    for router in routers():
        built.include_router(router)
    docs_page.install(built)
    built.add_middleware(Observed, largest=largest)
    openapi.install(built)
    return built


def routers() -> list[APIRouter]:
    """The routers of all modules in `api.routes`, in the order of their names."""
    found = []
    for module in sorted(pkgutil.iter_modules(api.routes.__path__), key=lambda one: one.name):
        router = getattr(importlib.import_module(f"api.routes.{module.name}"), "router", None)
        if isinstance(router, APIRouter):
            found.append(router)
    return found


def _listen_url(settings: Settings) -> str | None:
    """A direct connection; the notices carry ids only, so any role may listen."""
    given = settings.system_database_url or settings.database_url
    return None if given is None else listen_url(given.get_secret_value())

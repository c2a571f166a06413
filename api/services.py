"""What one API process holds for all its requests; made in the app's lifespan, or handed in by a test."""

from dataclasses import dataclass

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncEngine

from api.gateway import Gateway
from api.waiter import Waiter
from models.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Settings, engines, and the two ways to the engine: out by the gateway, back by the waiter."""

    settings: Settings
    app: AsyncEngine
    system: AsyncEngine
    gateway: Gateway
    waiter: Waiter


def services(request: Request) -> Services:
    """The process's services, as a dependency."""
    held = request.app.state.services
    assert isinstance(held, Services)  # noqa: S101 - the lifespan puts it there
    return held

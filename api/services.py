"""What one API process holds for all its requests; made in the app's lifespan, or handed in by a test."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncEngine

from api.acceptance import Acceptance
from api.gateway import Gateway
from api.waiter import Waiter
from models.settings import Settings
from models.store.sessions import Principal, principals_of
from models.together import Together


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Settings, engines, and the ways to the engine: in by the acceptance, out by the gateway, back by the waiter.

    Attributes:
        callers: Who tokens stand for, of many requests at once.
    """

    settings: Settings
    app: AsyncEngine
    system: AsyncEngine
    gateway: Gateway
    waiter: Waiter
    acceptance: Acceptance
    callers: Together[None, bytes, Principal | None]

    @classmethod
    def of(cls, settings: Settings, app: AsyncEngine, system: AsyncEngine, gateway: Gateway, waiter: Waiter) -> Self:
        """Put together what the composition root made."""

        async def found(_: None, digests: Sequence[bytes]) -> Sequence[Principal | None]:
            return await principals_of(system, digests)

        return cls(
            settings=settings,
            app=app,
            system=system,
            gateway=gateway,
            waiter=waiter,
            acceptance=Acceptance(app),
            callers=Together(found),
        )


async def services(request: Request) -> Services:
    """The process's services, as a dependency."""
    held = request.app.state.services
    assert isinstance(held, Services)  # noqa: S101 - the lifespan puts it there
    return held

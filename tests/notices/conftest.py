"""Notices on a real database, with a real SMTP server and a real HTTP receiver beside it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from models.db import tenant_session
from models.notices.kinds import NoticeKind
from models.secret_box import SecretBox
from models.settings import Settings, SmtpTls
from models.store.notices import About, Recipients, put_notice
from models.store.people import Person
from models.tables import UserAccount, UserRole
from tests.store.conftest import app, owner, scene, settings, system  # noqa: F401 - fixtures
from tests.store.scene import Scene
from tests.support.mailbox import Mailbox
from tests.support.receiver import Receiver
from workers.notices.consumer import NoticeConsumer
from workers.notices.courier import Courier

BASE = "https://gatework.example.com"
PAUSES = "10,60"


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with Mailbox() as running:
        yield running


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@dataclass
class Clock:
    """A clock that a test moves."""

    now: datetime = datetime(2026, 5, 4, 10, 20, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, span: timedelta) -> None:
        self.now += span


@dataclass
class Desk:
    """Consumer and courier of a test, driven by hand."""

    app: AsyncEngine
    system: AsyncEngine
    scene: Scene
    settings: Settings
    box: SecretBox = field(default_factory=lambda: SecretBox("a key"))
    clock: Clock = field(default_factory=Clock)

    async def hire(self, name: str, *roles: str, email: str = "", **more: bool) -> Person:
        """A person of the tenant, with an address unless told otherwise."""
        account = UserAccount(
            tenant_id=self.scene.tenant, id=uuid4(), username=f"{name}-{uuid4().hex[:6]}", full_name=name.title(),
            email=(email or f"{name}@example.com").strip(),
        )  # fmt: skip
        for column, value in more.items():
            setattr(account, column, value)
        async with tenant_session(self.app, self.scene.tenant) as session:
            session.add(account)
            await session.flush()
            session.add_all(
                [UserRole(tenant_id=self.scene.tenant, user_id=account.id, role=role) for role in roles]
            )  # fmt: skip
        return Person(tenant_id=self.scene.tenant, id=account.id, username=account.username, name=account.full_name)

    async def put(
        self,
        kind: NoticeKind,
        *users: Person,
        roles: tuple[str, ...] = (),
        but: tuple[UUID, ...] = (),
        **params: object,
    ) -> None:
        """A notice about the scene's execution."""
        recipients = Recipients(users=[one.id for one in users], roles=roles, but=but)
        about = About(instance=self.scene.instance, executions=[self.scene.execution])
        async with tenant_session(self.app, self.scene.tenant) as session:
            await put_notice(session, self.scene.tenant, kind, recipients, about, params)

    async def consume(self) -> int:
        consumer = NoticeConsumer(
            system=self.system, app=self.app, base_url=BASE, with_email=self.settings.smtp_host is not None,
            clock=self.clock,
        )  # fmt: skip
        return await consumer.consume_once()

    async def deliver(self) -> int:
        courier = Courier(
            system=self.system, app=self.app, settings=self.settings, box=self.box, clock=self.clock
        )  # fmt: skip
        return await courier.deliver_once()

    async def rows(self, query: str, **keys: object) -> list[dict[str, object]]:
        async with tenant_session(self.app, self.scene.tenant) as session:
            found = await (await session.connection()).execute(text(query), keys)
            return [dict(row) for row in found.mappings()]

    async def states(self) -> list[tuple[object, ...]]:
        """(channel, state, attempts, error) of all deliveries, oldest first."""
        rows = await self.rows("SELECT * FROM notification_delivery ORDER BY created_at, kind, id")
        return [(row["channel"], row["state"], row["attempts"], row["last_error"]) for row in rows]


@pytest.fixture
async def desk(
    app: AsyncEngine,  # noqa: F811 - fixtures
    system: AsyncEngine,  # noqa: F811
    scene: Scene,  # noqa: F811
    settings: Settings,  # noqa: F811
    mailbox: Mailbox,
) -> Desk:
    told = settings.model_copy(
        update={
            "smtp_host": "127.0.0.1", "smtp_port": mailbox.port, "smtp_tls": SmtpTls.NONE,
            "smtp_from": "Gatework <gatework@example.com>", "public_url": BASE, "delivery_retries": PAUSES,
            "private_targets_allowed": True, "secret_key": SecretStr("a key"),
        }
    )  # fmt: skip
    return Desk(app=app, system=system, scene=scene, settings=told)

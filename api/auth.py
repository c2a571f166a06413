"""Who is calling: a bearer token becomes a principal, with the permissions of this very moment (nothing is cached)."""

from dataclasses import dataclass, replace
from uuid import UUID

from api.services import Services
from models.db import system_session
from models.store.audit import Actor
from models.store.people import Person
from models.store.sessions import principal_for_token


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """The caller at this moment: user, tenant, what their roles allow, and from where they act."""

    tenant_id: UUID
    tenant_key: str
    tenant_name: str
    is_sandbox: bool
    user_id: UUID
    username: str
    full_name: str
    email: str
    roles: tuple[str, ...]
    permissions: frozenset[str]
    must_change_password: bool
    token_id: UUID
    source: str

    @property
    def person(self) -> Person:
        """As the store's gates want the caller."""
        return Person(
            tenant_id=self.tenant_id,
            id=self.user_id,
            username=self.username,
            name=self.full_name,
            roles=self.roles,
            permissions=self.permissions,
            source=self.source,
        )

    def acting_for(self, on_behalf_of: str) -> Person:
        """As the store wants the caller who enters what somebody else did (import)."""
        return replace(self.person, on_behalf_of=on_behalf_of)

    @property
    def actor(self) -> Actor:
        """As the audit trail names the caller."""
        return self.person.actor


async def principal_of(held: Services, token: str, source: str) -> Principal:
    """The caller behind a token.

    Raises:
        StoreError: token_invalid.
    """
    async with system_session(held.system) as session:
        found = await principal_for_token(session, token)
    return Principal(
        tenant_id=found.tenant_id,
        tenant_key=found.tenant_key,
        tenant_name=found.tenant_name,
        is_sandbox=found.is_sandbox,
        user_id=found.user_id,
        username=found.username,
        full_name=found.full_name,
        email=found.email,
        roles=found.roles,
        permissions=found.permissions,
        must_change_password=found.must_change_password,
        token_id=found.token_id,
        source=source,
    )

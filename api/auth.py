"""Who is calling: a bearer token becomes a principal, with the permissions of this very moment (nothing is cached)."""

from dataclasses import dataclass
from uuid import UUID

from api.services import Services
from models.store.audit import Actor
from models.store.people import Person


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """The caller at this moment: user, tenant, and what their roles allow."""

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
            name=self.full_name or self.username,
            roles=self.roles,
            permissions=self.permissions,
            source=self.source,
        )

    def actor(self, on_behalf_of: str = "") -> Actor:
        """As the audit trail names the caller."""
        return Actor(
            tenant_id=self.tenant_id,
            user_id=self.user_id,
            name=self.username,
            on_behalf_of=on_behalf_of,
            source=self.source,
        )


async def principal_of(held: Services, token: str, source: str) -> Principal:
    """The caller behind a token.

    Raises:
        StoreError: token_invalid.
    """
    raise NotImplementedError

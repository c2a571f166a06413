"""Who is calling: a bearer token becomes a principal, with the permissions of this very moment (nothing is cached)."""

from dataclasses import dataclass, fields, replace

from api.services import Services
from models.store import sessions
from models.store.audit import Actor
from models.store.errors import TokenInvalidError
from models.store.passwords import token_digest
from models.store.people import Person


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal(sessions.Principal):
    """The caller at this moment: who the token stands for, and from where they act."""

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
    """The caller behind a token; requests of the same moment are looked up together.

    Raises:
        StoreError: token_invalid.
    """
    found = await held.callers.ask(None, token_digest(token))
    if found is None:
        raise TokenInvalidError
    return Principal(**{one.name: getattr(found, one.name) for one in fields(found)}, source=source)

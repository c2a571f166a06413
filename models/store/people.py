"""The person behind a request: who they are, what they may do now, and from where they act."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from models.flow.errors import FlowError
from models.store.audit import Actor


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A user of a tenant, at the moment of a request.

    Attributes:
        name: the name to print beside a signature (21 CFR 11.50).
        source: device, client or gauge (21 CFR 11.10(h)).
    """

    tenant_id: UUID
    id: UUID
    username: str
    name: str = ""
    roles: Collection[str] = ()
    permissions: Collection[str] = ()
    on_behalf_of: str = ""
    source: str = ""

    @property
    def printed_name(self) -> str:
        """The full name, or the username where there is none."""
        return self.name or self.username

    @property
    def actor(self) -> Actor:
        """As the audit trail names them."""
        return Actor(
            tenant_id=self.tenant_id,
            user_id=self.id,
            name=self.username,
            on_behalf_of=self.on_behalf_of,
            source=self.source,
        )

    def must(self, permission: str) -> None:
        """Refuse unless the person holds the permission.

        Raises:
            FlowError: forbidden.
        """
        if permission not in self.permissions:
            raise FlowError("forbidden", permission=permission)

"""Connectors."""

from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field

from api.schemas.base import AS_GIVEN, Body, Key, Name, Shape
from models.enums import ConnectorAuth
from models.store.connectors import Credentials

OURS = frozenset({
    "connection", "content-length", "content-type", "host", "idempotency-key", "te", "trailer", "transfer-encoding",
    "upgrade", "user-agent",
})  # fmt: skip
"""Headers that a request has anyway; none of them can say who we are."""


def _free(name: str) -> str:
    if name.lower() in OURS:
        raise ValueError(f"the header {name} is set by Gatework itself")
    return name


Secret = Annotated[
    str, Field(min_length=1, max_length=4_000, pattern=r"^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$"), AS_GIVEN
]
"""As a header may carry it: printable, no line breaks, and no blanks around it, which would not arrive."""
Header = Annotated[
    str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"), AfterValidator(_free)
]
Url = Annotated[str, Field(min_length=1, max_length=2_000, examples=["https://erp.example.com/api/v1"])]


class NoAuth(Body):
    """The other system asks nobody who they are."""

    type: Literal["none"]

    def credentials(self) -> Credentials:
        """As the store keeps them."""
        return Credentials(auth=ConnectorAuth.NONE)


class BasicAuth(Body):
    """A user and a password, as RFC 7617 has it."""

    type: Literal["basic"]
    username: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^:\x00-\x1f\x7f]+$")]
    password: Annotated[str, Field(min_length=1, max_length=4_000), AS_GIVEN]

    def credentials(self) -> Credentials:
        """As the store keeps them."""
        return Credentials(auth=ConnectorAuth.BASIC, login=self.username, secret=self.password)


class BearerAuth(Body):
    """A token in the Authorization header."""

    type: Literal["bearer"]
    token: Secret

    def credentials(self) -> Credentials:
        """As the store keeps them."""
        return Credentials(auth=ConnectorAuth.BEARER, secret=self.token)


class HeaderAuth(Body):
    """A key in a header of the other system's choice."""

    type: Literal["header"]
    header: Header
    value: Secret

    def credentials(self) -> Credentials:
        """As the store keeps them."""
        return Credentials(auth=ConnectorAuth.HEADER, login=self.header, secret=self.value)


Auth = Annotated[NoAuth | BasicAuth | BearerAuth | HeaderAuth, Field(discriminator="type")]


class NewConnector(Body):
    """A connector to be; steps name it by its key."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "key": "sap",
                    "name": "SAP S/4HANA, plant 1010",
                    "base_url": "https://erp.example.com/api/v1",
                    "auth": {"type": "bearer", "token": "eyJhbGciOi…"},
                }
            ]
        }
    )

    key: Key
    name: Name
    base_url: Url
    auth: Auth = NoAuth(type="none")


class ChangedConnector(Body):
    """What is to change; `auth` is given as a whole, its secret included."""

    name: Name | None = None
    base_url: Url | None = None
    auth: Auth | None = None


class AuthShown(Shape):
    """How it proves who we are; never with what."""

    type: ConnectorAuth
    username: str | None = None
    header: str | None = None


class ConnectorShown(Shape):
    """A connector."""

    id: str
    key: str
    name: str
    base_url: str
    auth: AuthShown
    created_at: str
    created_by: str | None
    changed_at: str


class Connectors(Shape):
    """A page of connectors."""

    items: list[ConnectorShown]
    next_cursor: str | None

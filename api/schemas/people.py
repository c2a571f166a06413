"""Users, tokens, and the caller."""

from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field
from pydantic import validate_email as _validate

from api.schemas.base import Body, Password, Shape


def _email(value: str) -> str:
    if value:
        _validate(value)
    return value


Email = Annotated[str, Field(max_length=254), AfterValidator(_email)]


class Token(Shape):
    """A bearer token."""

    access_token: str
    token_type: str = Field(examples=["bearer"])
    expires_in: int = Field(description="Seconds.")


class NewPassword(Body):
    """Change of one's own password."""

    current_password: Password
    new_password: Password


class Tenant(Shape):
    """Whose data the caller works on."""

    id: str
    key: str
    name: str
    is_sandbox: bool


class Me(Shape):
    """The caller."""

    id: str
    username: str
    full_name: str
    email: str
    roles: list[str]
    permissions: list[str]
    must_change_password: bool
    tenant: Tenant


class NewUser(Body):
    """A user to be."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"username": "op1", "full_name": "Olga Petrova", "password": "…", "roles": ["operator"]}]
        }
    )

    username: str = Field(max_length=100)
    full_name: str = Field(default="", max_length=200)
    email: Email = ""
    password: Password | None = None
    roles: list[str] = Field(default_factory=list, max_length=50)
    is_active: bool = True


class ChangedUser(Body):
    """What is to change; what is not named stays. Deactivating ends all sessions at once."""

    full_name: str | None = Field(default=None, max_length=200)
    email: Email | None = None
    password: Password | None = None
    roles: list[str] | None = Field(default=None, max_length=50)
    is_active: bool | None = None
    unlock: bool = False


class User(Shape):
    """A user and the roles they hold."""

    id: str
    username: str
    full_name: str
    email: str
    roles: list[str]
    is_active: bool
    is_service: bool
    created_at: str
    last_login_at: str | None
    locked_until: str | None


class Users(Shape):
    """A page of users."""

    items: list[User]
    next_cursor: str | None

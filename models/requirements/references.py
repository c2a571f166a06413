"""How a config names something of the tenant: by id, by key, or written out on the spot."""

from typing import Any
from uuid import UUID

from models.requirements.base import Config

Named = UUID | str


class Inline(Config):
    """Something defined within the config; it is created with the process, and found by its key."""

    key: str
    name: str = ""


def reference(given_id: UUID | None, named: Any) -> Named | None:
    """The id or key by which it is found; None where the config names nothing."""
    if given_id is not None:
        return given_id
    return named.key if isinstance(named, Inline) else named

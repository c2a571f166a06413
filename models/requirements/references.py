"""How a config names something of the tenant: by id, by key, or written out on the spot.

What is written out is created when the process is saved (`models.store.references`); afterwards the config has the id.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

Named = UUID | str
Inline = dict[str, Any]


def reference(given_id: UUID | None, named: str | Mapping[str, Any] | None) -> Named | None:
    """The id or key by which it is found; None where the config names nothing."""
    if given_id is not None:
        return given_id
    return str(named.get("key", "")) if isinstance(named, Mapping) else named

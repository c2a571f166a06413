"""Custom search attributes, by which operations finds instances in Temporal's Web UI."""

import re
from collections.abc import Mapping

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import (
    AddSearchAttributesRequest,
    ListSearchAttributesRequest,
)
from temporalio.client import Client


class SearchAttributeConflictError(RuntimeError):
    """A search attribute exists with another type; remove it in Temporal, then start again."""


async def ensure_search_attributes(client: Client, wanted: Mapping[str, str]) -> tuple[str, ...]:
    """Make the attributes that the namespace lacks.

    Args:
        client: Connection whose namespace gets the attributes.
        wanted: Type by name; Keyword, KeywordList, Text, Int, Double, Bool or Datetime.

    Returns:
        The names that were new, sorted.

    Raises:
        SearchAttributeConflictError: One exists with another type.
    """
    types = {name: _indexed(kind) for name, kind in wanted.items()}
    known = await client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=client.namespace)
    )
    present = known.custom_attributes
    if clash := sorted(name for name in types if name in present and present[name] != types[name]):
        raise SearchAttributeConflictError(
            f"Temporal has {', '.join(clash)} with another type than Gatework needs. "
            "Remove them (temporal operator search-attribute remove), then start again."
        )
    new = {name: kind for name, kind in types.items() if name not in present}
    if new:
        await client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(namespace=client.namespace, search_attributes=new)
        )
    return tuple(sorted(new))


def _indexed(kind: str) -> IndexedValueType.ValueType:
    """``KeywordList`` → ``INDEXED_VALUE_TYPE_KEYWORD_LIST``."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind).upper()
    return IndexedValueType.Value(f"INDEXED_VALUE_TYPE_{words}")

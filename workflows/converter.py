"""How values travel to and from Temporal: as Pydantic's JSON, with one set of type adapters for the whole process.

The SDK makes a converter for each run of a workflow, and its own one then builds the adapters of all our answers anew:
28 ms of processor and most of a megabyte for every open instance in a worker's memory (measured).
"""

from dataclasses import replace
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter
from temporalio.contrib.pydantic import PydanticJSONPlainPayloadConverter, pydantic_data_converter
from temporalio.converter import (
    CompositePayloadConverter,
    DefaultPayloadConverter,
    EncodingPayloadConverter,
    JSONPlainPayloadConverter,
)

_ADAPTERS: Any = lru_cache(maxsize=256)(TypeAdapter)


class SharedAdapters(PydanticJSONPlainPayloadConverter):
    """The SDK's converter with the process's adapters instead of its own."""

    def __init__(self) -> None:
        """Every instance is alike."""
        super().__init__()
        self._type_adapter = _ADAPTERS


@lru_cache(maxsize=1)
def _converters() -> tuple[EncodingPayloadConverter, ...]:
    """The SDK's converters in their order, JSON by `SharedAdapters`; none of them remembers anything."""
    shared = SharedAdapters()
    known = DefaultPayloadConverter.default_encoding_payload_converters
    return tuple(shared if isinstance(one, JSONPlainPayloadConverter) else one for one in known)


class PayloadConverter(CompositePayloadConverter):
    """What the SDK makes anew for every activation, of parts that are made once."""

    def __init__(self) -> None:
        """Without arguments, as the SDK calls it."""
        super().__init__(*_converters())


data_converter = replace(pydantic_data_converter, payload_converter_class=PayloadConverter)

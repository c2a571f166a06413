"""One spelling of JSON, so that equal content has an equal hash, before and after PostgreSQL stored it.

JSONB forgets key order, writes 1e2 as 100 and has no negative zero; so does this. Times are UTC with microseconds,
decimals are text without trailing zeros.
"""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from math import isfinite
from typing import Any, Final
from uuid import UUID

_ENCODER: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def canonical(value: Any) -> bytes:
    """UTF-8 JSON with sorted keys, no blanks and one form for every number.

    Raises:
        ValueError: for NaN and infinities.
        TypeError: for what JSON does not know, or a naive datetime.
    """
    return _ENCODER.encode(_plain(value)).encode()


def digest_of(value: Any) -> bytes:
    """SHA-256 of the canonical JSON."""
    return sha256(canonical(value)).digest()


def content_hash(value: Any) -> str:
    """SHA-256 of the canonical JSON in hexadecimal, as it is shown, signed and sent."""
    return sha256(canonical(value)).hexdigest()


def _plain(value: Any) -> Any:
    kind = type(value)
    if value is None or kind is str or kind is int or kind is bool:
        return value
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, str | int):  # members of StrEnum and IntEnum
        return value
    return _text(value)


def _float(value: float) -> int | float:
    """An int where it is whole, of the digits JSON shows (JSONB keeps those); else itself, in its shortest form."""
    if not isfinite(value):
        raise ValueError("JSON knows no NaN and no infinity.")
    return int(Decimal(repr(value))) if value.is_integer() else value


def utc_text(moment: datetime) -> str:
    """A time as it is hashed: UTC with microseconds.

    Raises:
        TypeError: for a naive datetime.
    """
    if moment.tzinfo is None:
        raise TypeError("A time without a zone has no canonical form.")
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _text(value: Any) -> str:
    match value:
        case UUID():
            return str(value)
        case datetime():
            return utc_text(value)
        case date():
            return value.isoformat()
        case timedelta():
            return f"PT{Decimal(value // timedelta(microseconds=1)) / 1_000_000:f}S"
        case bytes():
            return value.hex()
        case Decimal():
            return f"{value.normalize():f}"
        case _:
            raise TypeError(f"{type(value).__name__} has no canonical form.")

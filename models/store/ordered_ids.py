"""Ids that sort in the order in which they were made: UUIDs of version 7 (RFC 9562) with a counter."""

import secrets
from datetime import datetime
from typing import Final
from uuid import UUID

_VERSION: Final = 7 << 76
_VARIANT: Final = 2 << 62


def ordered_ids(at: datetime, count: int) -> list[UUID]:
    """`count` new ids in ascending order: milliseconds of `at`, a 24-bit counter, 50 random bits."""
    moment = int(at.timestamp() * 1000) << 80
    return [UUID(int=moment | _VERSION | _VARIANT | _rest(number)) for number in range(count)]


def _rest(number: int) -> int:
    high, low = number >> 12, number & 0xFFF
    return high << 64 | low << 50 | secrets.randbits(50)

"""Long JSON made short enough to travel: Temporal takes 2 MiB at once, and a task that says more fails for ever."""

from base64 import b64decode, b64encode
from typing import Final
from zlib import compress, decompress

LARGEST: Final = 1024 * 1024
"""Characters that what was packed may have; whatever goes with it has the rest."""
LARGEST_PROCESS: Final = 1_400 * 1024
"""The same of a process version, with which at most a state goes (DESIGN §3.14: 512 KiB)."""


def pack(text: bytes) -> str:
    """Compressed, as text."""
    return b64encode(compress(text, level=1)).decode()


def unpack(packed: str) -> bytes:
    """What `pack` was given."""
    return decompress(b64decode(packed))

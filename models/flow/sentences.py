"""What fills the sentences of problems, refusals and errors."""

from collections.abc import Mapping
from typing import Any


def in_words(params: Mapping[str, Any]) -> dict[str, Any]:
    """Lists as words joined by commas; an empty word (where none is allowed, too) would only be a gap."""
    return {
        name: ", ".join(str(word) for word in value if word != "") if isinstance(value, list | tuple) else value
        for name, value in params.items()
    }

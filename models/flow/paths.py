"""Places in JSON, as configs name them: `body.order.lines.0.id`; the empty path is the whole."""

from collections.abc import Mapping, Sequence
from typing import Any


def picked(value: Any, path: str) -> Any:
    """What stands at a path; None where nothing does."""
    for part in path.split(".") if path else ():
        if isinstance(value, Mapping):
            value = value.get(part)
        elif isinstance(value, Sequence) and not isinstance(value, str) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value


def placed(value: Mapping[str, Any], path: str, inner: Any) -> dict[str, Any]:
    """A copy in which `inner` stands at a path; what is no object on the way gives way to one."""
    first, _, rest = path.partition(".")
    before = value.get(first)
    after = inner if not rest else placed(before if isinstance(before, Mapping) else {}, rest, inner)
    return {**value, first: after}

"""Query parameters that a list does not know are refused: a misspelt filter would otherwise find everything."""

from collections.abc import Iterator
from difflib import get_close_matches

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute


async def known_parameters_only(request: Request) -> None:
    """A dependency of every route.

    Raises:
        RequestValidationError: request_invalid, with every parameter that the route does not take.
    """
    route = request.scope["route"]
    given = request.query_params
    if not given or not isinstance(route, APIRoute) or not (known := _known(route)):
        return
    if unknown := [name for name in given if name not in known]:
        raise RequestValidationError(
            [{"type": "extra_forbidden", "loc": ("query", one), "msg": _sentence(one, known)} for one in unknown]
        )


def _known(route: APIRoute) -> tuple[str, ...]:
    """Names of its query parameters."""
    return tuple(sorted(set(_names(route.dependant))))


def _names(dependant: Dependant) -> Iterator[str]:
    yield from (field.alias for field in dependant.query_params)
    for inner in dependant.dependencies:
        yield from _names(inner)


def _sentence(name: str, known: tuple[str, ...]) -> str:
    close = get_close_matches(name, known, n=1)
    meant = f" Did you mean '{close[0]}'?" if close else ""
    return f"There is no parameter '{name}' here.{meant} Known: {', '.join(known)}."

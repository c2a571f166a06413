"""The HTTP API as the importer uses it: log in, send with a key, wait for what is not done yet, try again.

A request carries the same `Idempotency-Key` each time it is sent, so that a lost answer never does a thing twice.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

import httpx

from models.templates.shape import Json

_PATIENCE = 8
"""How often a request is sent before the importer gives up; the waits between add up to half a minute."""

_LARGEST_PAGE = 200

_TRY_AGAIN = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
_BEING_HANDLED = "request_in_progress"


class ApiProblem(Exception):  # noqa: N818 - the word of the API
    """The server's refusal: HTTP status (0 where it does not answer), the stable code, and what it says."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(f"{code} ({status}): {detail}" if status else f"{code}: {detail}")
        self.status = status
        self.code = code


class Api:
    """One logged-in client; use it as an async context manager."""

    def __init__(self, base_url: str, *, token: str = "", transport: httpx.AsyncBaseTransport | None = None) -> None:
        limits = httpx.Limits(max_connections=200, max_keepalive_connections=200)
        self._login: tuple[str, str] | None = None
        self._logging_in = asyncio.Lock()
        self._http = httpx.AsyncClient(base_url=base_url, timeout=60, limits=limits, transport=transport)
        if token:
            self._authorise(token)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def log_in(self, username: str, password: str) -> None:
        """Get a token and send it from now on; and another one when it is over, for a run may take days.

        Raises:
            ApiProblem: with the server's code.
        """
        answer = await self._sent("POST", "/api/auth/token/", data={"username": username, "password": password})
        self._authorise(_checked(answer)["access_token"])
        self._login = (username, password)

    async def get(self, path: str) -> Json:
        """Read one thing."""
        return _checked(await self._send("GET", path))

    async def post(self, path: str, body: Json, key: str) -> Json:
        """Send a command or make a thing; where the server is not done in time, wait until it is."""
        headers = {"Idempotency-Key": key}
        answer = await self._send("POST", path, json=body, headers=headers)
        if answer.status_code == HTTPStatus.ACCEPTED:
            await self._settled(answer.headers["Location"])
            answer = await self._send("POST", path, json=body, headers=headers)  # the same key: the stored answer
        return _checked(answer)

    async def pages(self, path: str, narrowed: Mapping[str, str] | None = None) -> AsyncIterator[Json]:
        """Every item of a paged list."""
        query = {**(narrowed or {}), "limit": str(_LARGEST_PAGE)}
        while True:
            page = _checked(await self._send("GET", path, params=query))
            for item in page["items"]:
                yield item
            if not page.get("next_cursor"):
                return
            query["cursor"] = page["next_cursor"]

    def _authorise(self, token: str) -> None:
        self._http.headers["Authorization"] = f"Bearer {token}"

    async def _settled(self, location: str) -> None:
        """Wait until the command is settled, for ten minutes at most."""
        for turn in range(300):
            command = _checked(await self._send("GET", location))
            if command.get("outcome"):
                return
            await asyncio.sleep(min(0.1 * (turn + 1), 2))
        raise ApiProblem(0, "not_settled", f"The command at {location} is not settled after ten minutes.")

    async def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        token = self._http.headers.get("Authorization")
        answer = await self._sent(method, path, **options)
        if answer.status_code != HTTPStatus.UNAUTHORIZED or self._login is None:
            return answer
        async with self._logging_in:
            if self._http.headers.get("Authorization") == token:  # else another request has seen to it
                await self.log_in(*self._login)
        return await self._sent(method, path, **options)

    async def _sent(self, method: str, path: str, **options: Any) -> httpx.Response:
        failure = ApiProblem(0, "no_connection", "Nothing was sent.")
        for turn in range(_PATIENCE):
            if turn:
                await asyncio.sleep(min(0.2 * 2 ** (turn - 1), 10))
            try:
                answer = await self._http.request(method, path, **options)
            except httpx.TransportError as error:
                failure = ApiProblem(0, "no_connection", f"{self._http.base_url} does not answer: {error!r}.")
                continue
            if answer.status_code not in _TRY_AGAIN and not _is_being_handled(answer):
                return answer
            failure = _problem(answer)
        raise failure


def _is_being_handled(answer: httpx.Response) -> bool:
    return answer.status_code == HTTPStatus.CONFLICT and _problem(answer).code == _BEING_HANDLED


def _checked(answer: httpx.Response) -> Json:
    """The body of a success.

    Raises:
        ApiProblem: for anything else.
    """
    if not answer.is_success:
        raise _problem(answer)
    body: Json = answer.json()
    return body


def _problem(answer: httpx.Response) -> ApiProblem:
    try:
        body = answer.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        return ApiProblem(answer.status_code, "http_error", answer.reason_phrase)
    told = [str(body[name]) for name in ("detail", "title") if body.get(name)][:1]
    told.extend(f"{name}: {body[name]}" for name in ("errors", "problems", "unmet") if body.get(name))
    return ApiProblem(answer.status_code, str(body.get("code") or "http_error"), " ".join(told)[:2000])

"""What every request gets: an id, security headers, one line in the access log, and its place in the metrics."""

import logging
import re
import time
from collections.abc import Mapping
from typing import Final
from uuid import uuid4

from prometheus_client import Counter, Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import problems

access = logging.getLogger("gatework.access")

REQUESTS: Final = Counter("gatework_http_requests_total", "HTTP requests.", ["method", "route", "status"])
SECONDS: Final = Histogram("gatework_http_request_seconds", "Seconds until the answer was sent.", ["method", "route"])

SECURITY_HEADERS: Final[Mapping[str, str]] = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "geolocation=(), microphone=()",
}
POLICY: Final = (
    "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
DOCS_POLICY: Final = POLICY + "; script-src 'self' 'unsafe-inline'"
"""Swagger UI starts itself by an inline script."""

_GIVEN_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Observed:
    """ASGI middleware, the outermost one. `largest` is the size of a body in bytes."""

    def __init__(self, app: ASGIApp, *, largest: int) -> None:
        self.app = app
        self.largest = largest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and note what became of it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _GIVEN_ID.fullmatch(given) else uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        began = time.perf_counter()
        status = 500

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _add_headers(MutableHeaders(scope=message), scope["path"], request_id)
            await send(message)

        try:
            if too_large(scope, self.largest):
                await problems.answer("request_too_large", {"maximum": self.largest})(scope, receive, sending)
            else:
                await self.app(scope, counted(receive, self.largest), sending)
        finally:
            _note(scope, status, time.perf_counter() - began, request_id)


def too_large(scope: Scope, largest: int) -> bool:
    """Whether the body says itself that it is too large."""
    length = Headers(scope=scope).get("content-length", "")
    return length.isdigit() and int(length) > largest


def counted(receive: Receive, largest: int) -> Receive:
    """For a body that does not say how large it is: it is cut off where it becomes too large."""
    seen = 0

    async def receiving() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > largest:
            raise HTTPException(413)
        return message

    return receiving


def _add_headers(headers: MutableHeaders, path: str, request_id: str) -> None:
    headers["X-Request-ID"] = request_id
    for name, value in SECURITY_HEADERS.items():
        headers.setdefault(name, value)
    headers.setdefault("Content-Security-Policy", DOCS_POLICY if path == "/docs" else POLICY)
    if path.startswith("/api/"):
        headers.setdefault("Cache-Control", "no-store")


def _note(scope: Scope, status: int, seconds: float, request_id: str) -> None:
    route = getattr(scope.get("route"), "path", "other")
    method = scope["method"]
    REQUESTS.labels(method, route, str(status)).inc()
    SECONDS.labels(method, route).observe(seconds)
    client = scope.get("client") or ("-", 0)
    access.info(
        "%s %s %d %.1f ms %s %s", method, scope["path"], status, seconds * 1000, client[0], request_id,
        extra={"request_id": request_id, "status": status, "method": method, "path": scope["path"]},
    )  # fmt: skip

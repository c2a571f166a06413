"""Automatic actions that are a request over HTTP: how it is put together, sent once, and what its answer means."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from activities.acting import Asked, not_answered, refused
from models.flow.durations import parse_duration
from models.json_values import encoded, spelled
from models.notices.targets import TargetRefusedError, below
from models.outgoing import AnswerTooLongError, ask
from models.requirements.expressions import ExpressionError, evaluate
from models.store.action_requests import Request

MOST_READ: Final = 64 * 1024
"""Bytes of an answer."""
MOST_TOLD: Final = 300
"""Characters of a refusal that an incident repeats."""
TIMEOUT: Final = 30.0
"""Seconds of one try, unless the step says otherwise."""
PASSING: Final = frozenset({httpx.codes.REQUEST_TIMEOUT, httpx.codes.TOO_EARLY, httpx.codes.TOO_MANY_REQUESTS})
"""Refusals that say themselves that a later try may go through; all others below 500 are final."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A request as it is to be sent.

    Attributes:
        settings: of the step, which says all that is not worked out.
        headers: those that the step cannot override: who we are.
    """

    settings: Mapping[str, Any]
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    content: bytes = field(repr=False)


def http_request(asked: Asked) -> Request:
    """What a step works out for its request: the path below a connector's address, and the body.

    Raises:
        ApplicationError: `action_refused`: an expression cannot be evaluated, or its value is no path or no JSON.
    """
    settings = asked.settings
    content = b"" if settings.get("method") == "GET" else _body(asked)
    return Request(target=_path(asked) if settings["type"] == "erp" else "", content=content)


async def answer_of(call_id: str, sent: Outgoing, *, private_allowed: bool) -> Json:
    """Send the request.

    Returns:
        `status` and, where the step keeps anything of the answer, `body`: JSON, or text where it is none.

    Raises:
        ApplicationError: it was refused, not answered, or its answer cannot be kept.
    """
    settings, content = sent.settings, sent.content
    method = settings.get("method", "POST")
    headers = {str(name).lower(): str(value) for name, value in (settings.get("headers") or {}).items()}
    if content:
        headers["content-type"] = "application/json"
    headers |= {**sent.headers, "idempotency-key": call_id, "user-agent": "Gatework-Actions"}
    seconds = parse_duration(settings["timeout"]).total_seconds() if settings.get("timeout") else TIMEOUT
    try:
        status, said = await ask(
            method,
            sent.url,
            content,
            headers,
            private_allowed=private_allowed,
            seconds=seconds,
            most_read=MOST_READ,
        )
    except (TargetRefusedError, AnswerTooLongError) as error:
        raise refused(str(error)) from None
    except (OSError, httpx.HTTPError) as error:
        raise not_answered(f"{type(error).__name__}: {error}") from None
    if not httpx.codes.is_success(status):
        told = f"HTTP {status}: {said[:MOST_TOLD].decode(errors='replace')}".strip(": ")
        raise not_answered(told) if status >= 500 or status in PASSING else refused(told)
    # What nobody wants is not kept: the journal is for ever.
    return {"status": status, "body": _read(said)} if settings.get("context") else {"status": status}


def _body(asked: Asked) -> bytes:
    """What the step's expression makes of it; without one, which execution asks."""
    body = asked.settings.get("body")
    try:
        value = evaluate(body, asked.variables) if body else {**asked.whose, "step": asked.step.key}
        return spelled(value)
    except (ExpressionError, ValueError) as error:
        raise refused(f"its body cannot be made: {error}") from None


def _path(asked: Asked) -> str:
    """What the step's expression makes of it, empty without one; no connector's address can be left by it."""
    path = asked.settings.get("path")
    if not path:
        return ""
    try:
        found = evaluate(path, asked.variables)
        below("", found)
    except (ExpressionError, TargetRefusedError) as error:
        raise refused(f"its path cannot be used: {error}") from None
    return str(found)


def _read(said: bytes) -> Any:
    """JSON, or the text where it is none; without NUL, which PostgreSQL's JSON cannot hold."""
    text = said.decode(errors="replace").replace("\\u0000", "").replace("\x00", "")
    try:
        value = json.loads(text) if text.strip() else None
    except (ValueError, RecursionError):
        value = text
    try:
        told = encoded(value)
    except ValueError as error:
        raise refused(f"its answer cannot be kept: {error}") from None
    if len(told.encode()) > MOST_READ:
        # Signs that JSON writes as six each; ten such answers at once would not fit into one of Temporal's.
        raise refused(f"its answer is longer than {MOST_READ} bytes as JSON")
    return value

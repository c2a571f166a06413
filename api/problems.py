"""Errors as application/problem+json (RFC 9457): every exception becomes a code, its status and what to do.

Routes raise `Problem`, the store its `StoreError`, the core its `FlowError`; nobody else writes an error answer.
"""

import logging
from collections.abc import Mapping
from typing import Any

import psycopg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DataError, IntegrityError, OperationalError
from starlette.exceptions import HTTPException

from api.problem_table import phrase_of, sentence_of, status_of, title_of
from models.flow.errors import REFUSALS, FlowError, describe
from models.store.errors import CODES, StoreError

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:gatework:problem:"

log = logging.getLogger(__name__)


class Problem(Exception):  # noqa: N818 - the word of RFC 9457
    """An error answer that a route decides on itself.

    Args:
        code: A code of `api.problem_table`.
        headers: Sent along.
        params: Members of the document, JSON-ready; they fill the sentence too.
    """

    def __init__(self, code: str, *, headers: Mapping[str, str] | None = None, **params: Any) -> None:
        super().__init__(code)
        self.code = code
        self.headers = headers
        self.params = params


def document(code: str, params: Mapping[str, Any] | None = None, *, detail: str | None = None) -> dict[str, Any]:
    """The problem document of a code; also the `problem` of one item of a bulk answer."""
    status = status_of(code)
    return {
        **(params or {}),
        "type": TYPE_PREFIX + code,
        "title": title_of(code),
        "status": status,
        "detail": detail or _sentence(code, params or {}),
        "code": code,
    }


def answer(
    code: str,
    params: Mapping[str, Any] | None = None,
    *,
    detail: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """The HTTP answer of a code."""
    body = document(code, params, detail=detail)
    return JSONResponse(body, body["status"], headers=dict(headers or {}), media_type=MEDIA_TYPE)


def _sentence(code: str, params: Mapping[str, Any]) -> str:
    if code in REFUSALS:
        return describe(code, params)
    if code in CODES:
        return CODES[code](**params).message
    return sentence_of(code)


def install(app: FastAPI) -> None:
    """Register the handlers of every kind of exception."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(StoreError, _store)
    app.add_exception_handler(FlowError, _flow)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(DataError, _unstorable)
    app.add_exception_handler(UnicodeEncodeError, _unstorable)
    app.add_exception_handler(IntegrityError, _conflict)
    app.add_exception_handler(OperationalError, _unavailable)
    app.add_exception_handler(psycopg.OperationalError, _unavailable)
    app.add_exception_handler(Exception, _unexpected)


async def _note_refusal(request: Request, code: str, params: Mapping[str, Any]) -> None:
    """21 CFR 11.10(d): what was refused for want of a permission is written down."""
    if code == "forbidden":
        await request.app.state.note_refusal(request, str(params.get("permission", "")))


async def _problem(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)  # noqa: S101 - the registration says so
    await _note_refusal(request, error.code, error.params)
    headers = {"WWW-Authenticate": "Bearer"} if status_of(error.code) == 401 else {}
    return answer(error.code, error.params, headers={**headers, **(error.headers or {})})


async def _store(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, StoreError)  # noqa: S101
    headers = {"WWW-Authenticate": "Bearer"} if status_of(error.code) == 401 else {}
    return answer(error.code, error.params, detail=error.message, headers=headers)


async def _flow(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, FlowError)  # noqa: S101
    await _note_refusal(request, error.code, error.params)
    return answer(error.code, error.params)


async def _validation(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    found = error.errors()
    if any(one["type"] == "json_invalid" for one in found):
        return answer("json_invalid")
    fields = [{"loc": ".".join(map(str, one["loc"])), "message": one["msg"], "type": one["type"]} for one in found]
    return answer("request_invalid", {"errors": fields})


_BY_STATUS = {401: "unauthenticated", 404: "not_found", 405: "method_not_allowed", 413: "request_too_large"}


async def _http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101
    code = _BY_STATUS.get(error.status_code, "http_error")
    if code == "not_found":
        return answer(code, {"what": "page", "id": ""}, detail="There is nothing at this address.")
    if code == "http_error":
        detail = str(error.detail) or phrase_of(error.status_code)
        body = {**document(code, detail=detail), "status": error.status_code}
        return JSONResponse(body, error.status_code, headers=dict(error.headers or {}), media_type=MEDIA_TYPE)
    return answer(code, headers=error.headers)


async def _unstorable(_: Request, error: Exception) -> JSONResponse:
    """A NUL character, half a surrogate pair, a number out of range: nothing that a column can hold."""
    log.info("a value cannot be stored: %s", error)
    fields = [{"loc": "", "message": "a value cannot be stored", "type": "unstorable"}]
    return answer("request_invalid", {"errors": fields})


async def _conflict(_: Request, error: Exception) -> JSONResponse:
    """A constraint that no check had foreseen: two requests at once, mostly."""
    log.warning("a constraint refused a change: %s", error)
    return answer("conflict")


async def _unavailable(_: Request, error: Exception) -> JSONResponse:
    log.error("the database does not answer: %s", error)
    return answer("unavailable", headers={"Retry-After": "2"})


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    log.error("request failed", exc_info=error)
    return answer("server_error", {"request_id": getattr(request.state, "request_id", "")})


def responses(*codes: str, public: bool = False) -> dict[int | str, dict[str, Any]]:
    """What a route says in OpenAPI about the problems it may answer; grouped by status, one example per code.

    Args:
        codes: Those of the route itself.
        public: It asks for no login.
    """
    grouped: dict[int | str, dict[str, Any]] = {}
    for code in dict.fromkeys((*codes, *ALWAYS, *(() if public else LOGIN))):
        status = status_of(code)
        entry = grouped.setdefault(status, _openapi(status))
        entry["description"] += f" `{code}`"
        entry["content"][MEDIA_TYPE]["examples"][code] = {"value": document(code)}
    return grouped


ALWAYS = ("request_invalid", "server_error")
LOGIN = ("unauthenticated", "token_invalid", "password_change_required")


def _openapi(status: int) -> dict[str, Any]:
    return {
        "description": f"{phrase_of(status)}:",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": {}}},
    }

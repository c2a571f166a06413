"""What the machine-readable description of the API says beyond the routes themselves."""

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

DESCRIPTION: Final = """
Work moves through gates, and nothing passes a gate unmet.

- Log in with `POST /api/auth/token/` and send the token as `Authorization: Bearer …`.
- Times are RFC 3339 in UTC, durations ISO 8601, ids UUIDs. Lists come in pages: send `next_cursor` as `?cursor=`.
- Every error is `application/problem+json` with a stable `code` and says what to do.
- `Idempotency-Key` makes a request safe to repeat: the same body gets the same answer.
- A command waits for its outcome; with `Prefer: respond-async`, or when it takes too long, the answer is
  `202` with the `Location` of the command.
"""

TAGS: Final[list[dict[str, Any]]] = [
    {"name": "auth", "description": "Tokens and the current user."},
    {"name": "users", "description": "People and their roles."},
    {"name": "subjects", "description": "What moves through processes, and its kinds."},
    {"name": "quality", "description": "Quality reports about subjects."},
    {"name": "planning", "description": "Working calendars of sites, and who is away."},
    {"name": "processes", "description": "Templates and process versions."},
    {"name": "workflows", "description": "Running instances, their executions, audit trail and incidents."},
    {"name": "executions", "description": "Commands: claim, start, complete, release, sign off, many at once."},
    {
        "name": "deviations",
        "description": "Work goes another way than the process says: skip, move, rewind, undo, lots.",
    },
    {"name": "incidents", "description": "What cannot go on: why, what to do, and trying again."},
    {"name": "requirements", "description": "The gates of an execution and the evidence for them."},
    {"name": "events", "description": "Messages from outside, for steps that wait for them."},
    {"name": "documents", "description": "Controlled documents."},
    {"name": "approvals", "description": "Approval requests."},
    {"name": "catalogues", "description": "Document types, approval templates, measurement definitions."},
    {"name": "my tasks", "description": "One inbox over everything."},
    {"name": "notifications", "description": "What I was told, and how I want to be told."},
    {"name": "connectors", "description": "Other systems that automatic steps speak to, by key."},
    {"name": "webhooks", "description": "Events to other systems: signed, repeated, replayed."},
    {"name": "notification channels", "description": "Rooms and mailboxes of teams, and the wording of notices."},
    {"name": "operations", "description": "Health and metrics."},
]

PROBLEM_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "title": "Problem",
    "description": "RFC 9457. `code` is stable; other members depend on it.",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "examples": ["urn:gatework:problem:already_claimed"]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What happened and what to do."},
        "code": {"type": "string"},
    },
    "additionalProperties": True,
}


def operation_id(route: APIRoute) -> str:
    """The function's name: short, and good as a name in a generated client."""
    return route.name


def install(app: FastAPI) -> None:
    """Make the description once, with the problem document and without FastAPI's own 422."""

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = complete(
                get_openapi(
                    title=app.title,
                    version=app.version,
                    summary=app.summary,
                    description=app.description,
                    routes=app.routes,
                    tags=app.openapi_tags,
                )
            )
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]


def complete(schema: dict[str, Any]) -> dict[str, Any]:
    """Add the problem document; drop the shapes of validation errors, which are problems here."""
    schemas = schema.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Problem"] = PROBLEM_SCHEMA
    return schema

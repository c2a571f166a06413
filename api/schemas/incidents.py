"""Incidents in full, and what is done about them."""

from typing import Literal

from pydantic import ConfigDict, Field

from api.schemas.base import Body, Shape, Text, UserRef
from api.schemas.executions import Execution
from api.schemas.workflows import AuditActor, Incident


class IncidentEntry(Shape):
    """Something that happened to the execution around the incident."""

    at: str
    actor: AuditActor
    action: str
    code: str | None
    reason: str


class IncidentDetail(Incident):
    """An incident, and what to do about it."""

    resolved_by: UserRef | None
    what_to_do: str
    can_retry: bool
    history: list[IncidentEntry] = Field(description="Newest first; at most 100.")


class Note(Body):
    """What was found, or done."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"note": "The printer has paper again."}]})

    note: Text = ""


class IncidentAnswer(Shape):
    """What became of it."""

    command_id: str | None = Field(description="Null where nothing had stopped, and the engine was not asked.")
    outcome: Literal["retried", "resolved"]
    execution: Execution
    next: list[Execution]

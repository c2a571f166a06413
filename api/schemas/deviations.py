"""Deviations that concern a workflow rather than one execution."""

from uuid import UUID

from pydantic import ConfigDict, Field

from api.schemas.base import Body, Shape
from api.schemas.executions import OnBehalfOf, Reason, StepKey
from api.schemas.workflows import SubjectOf


class AddSubjects(Body):
    """Subjects that join a running workflow."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "subjects": [{"subject_type": "Part", "identifier": "SN-0051"}],
                    "to_step": "inspect",
                    "reason": "Delivered late, belongs to the same order.",
                }
            ]
        }
    )

    subjects: list[SubjectOf]
    to_step: StepKey | None = Field(default=None, description="Key of a step; the first one unless given.")
    reason: Reason
    on_behalf_of: OnBehalfOf = None


class RemoveSubjects(Body):
    """Subjects that are taken out of a running workflow."""

    subject_ids: list[UUID] = Field(min_length=1, max_length=10_000)
    reason: Reason
    on_behalf_of: OnBehalfOf = None


class SubjectsAnswer(Shape):
    """What became of it; all of the subjects, or none."""

    command_id: str
    outcome: str
    subject_ids: list[str]

"""What a command would come to."""

from typing import Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from api.schemas.base import Body, Json, Shape
from api.schemas.deviations import Group, Lot
from api.schemas.executions import StepKey, SubjectRef


class Preview(Body):
    """A command that is only to be thought through; the fields are those of the command itself."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "action": "move",
                    "execution_ids": ["5f0c2f52-6f0e-5b1c-9c5e-3a4b8a2f0c11"],
                    "to_step": "rework",
                }
            ]
        }
    )

    action: Literal[
        "complete", "force", "skip", "move", "rewind", "undo", "add_subjects", "remove_subjects", "split", "merge",
        "hold", "resume", "cancel",
    ]  # fmt: skip
    execution_ids: list[UUID] = Field(default_factory=list, max_length=1_000)
    subject_ids: list[UUID] = Field(default_factory=list, max_length=10_000, description="Existing subjects.")
    to_step: StepKey | None = None
    decision_result: str = Field(default="", max_length=100)
    groups: list[Group] = Field(default_factory=list, max_length=100, description="For split.")
    lots: list[Lot] = Field(default_factory=list, max_length=100, description="For merge.")
    into: str = Field(default="", max_length=100, description="For merge.")


class Place(Shape):
    """An execution that would open or close."""

    step: str
    visit_number: int
    branch: str
    status: str


class PreviewedSubject(Shape):
    """What would happen to one subject."""

    subject: SubjectRef | None
    asked: bool = Field(description="False: it would be carried along.")
    happens: list[str] = Field(description="In plain words, in order.")
    opens: list[Place]
    closes: list[Place]
    problem: Json | None = Field(description="Why it would be refused for this one.")


class PreviewAnswer(Shape):
    """What would happen now; nothing was written."""

    action: str
    second_person: bool = Field(description="Another person would have to confirm it.")
    problem: Json | None = Field(description="Why it would be refused as a whole.")
    workflow: list[str] = Field(description="What would happen to the workflow as a whole.")
    subjects: list[PreviewedSubject] = Field(description="At most 1,000.")
    subject_count: int

"""Migrations of running workflows to another version of their process: what is asked, planned, and came of it."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from api.schemas.base import Body, Json, Shape, Text
from models.store.migrations import LARGEST


class Mapping(Body):
    """Old step key → new one; null: it has no image. A step that is not named goes to the one of its key."""

    steps: dict[Annotated[str, Field(max_length=100)], Annotated[str, Field(max_length=100)] | None] = Field(
        default_factory=dict, max_length=1_000
    )


class Migration(Body):
    """Which workflows go to this version, and how."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "from_process": "5f0c2f52-6f0e-4b1c-9c5e-3a4b8a2f0c11",
                    "mapping": {"steps": {"paint": "coat"}},
                    "instances": "all",
                    "dry_run": True,
                }
            ]
        }
    )

    from_process: UUID
    mapping: Mapping = Field(default_factory=Mapping)
    instances: Annotated[list[UUID], Field(min_length=1, max_length=LARGEST)] | Literal["all"] = Field(
        default="all", description=f"`all`: the open ones of that version, {LARGEST} at a time."
    )
    dry_run: bool = Field(default=True, description="Only say what would happen.")
    reason: Text = Field(default="", description="At least 10 characters, unless it is a dry run.")


class Version(Shape):
    """A version in a word."""

    id: str
    key: str
    name: str
    version: str


class StepPlan(Shape):
    """What becomes of the executions at one step.

    `kept` are requirements whose evidence goes on counting, `opened` those for which nothing is given yet, `dropped`
    those whose evidence counts no longer; `reopens`: work that was given and waits has to be given again.
    """

    step: str
    to_step: str | None
    outcome: Literal["stays", "enters", "lost"]
    kept: list[str]
    opened: list[str]
    dropped: list[str]
    reopens: bool


class PlannedSubject(Shape):
    """A subject with its open execution."""

    id: str
    identifier: str
    execution_id: str
    visit_number: int
    status: str
    assigned_to: str | None


class Move(StepPlan):
    """A step's plan, with the subjects that stand there."""

    subjects: list[PlannedSubject]


class InstanceRef(Shape):
    """A workflow in short."""

    id: str
    identifier: str
    name: str


class ChildLeft(Shape):
    """A nested workflow for which nothing waits any more; it is cancelled where its execution is left."""

    id: str
    identifier: str
    name: str
    step: str
    requirement: str
    outcome: Literal["runs_on", "cancelled"]


class InstancePlan(Shape):
    """What would become of one workflow; it moves as a whole or not at all."""

    instance: InstanceRef
    possible: bool
    problems: list[Json]
    moves: list[Move]
    children_left: list[ChildLeft]


class Plan(Shape):
    """A dry run: `possible` where nothing stands in any workflow's way, `more` where there are others."""

    dry_run: Literal[True]
    process: Version
    from_process: Version
    possible: bool
    steps: list[StepPlan]
    items: list[InstancePlan]
    more: bool


class Migrated(Shape):
    """What became of one workflow; `problem` where it stayed as it was."""

    instance_id: str
    command_id: str | None
    status: int
    outcome: str | None = None
    problem: Json | None = None


class Result(Shape):
    """What became of each."""

    dry_run: Literal[False]
    items: list[Migrated]
    more: bool

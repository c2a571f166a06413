"""Subjects and their kinds."""

from uuid import UUID

from pydantic import AliasChoices, ConfigDict, Field

from api.schemas.base import Body, Json, Key, Name, Shape, Text


class NewSubject(Body):
    """A subject to be; without an identifier it gets a number of its kind."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"subject_type": "CAPA", "identifier": "CAPA-2026-031", "title": "Burr on bore",
                 "attributes": {"severity": "major"}}
            ]
        }
    )  # fmt: skip

    subject_type: str = Field(max_length=100, validation_alias=AliasChoices("subject_type", "type"))
    identifier: str = Field(default="", max_length=200)
    title: str = Field(default="", max_length=500)
    attributes: Json = Field(default_factory=dict)


class ChangedSubject(Body):
    """What is to change; the identifier stays for good."""

    title: str | None = Field(default=None, max_length=500)
    attributes: Json | None = None
    reason: Text = ""


class Subject(Shape):
    """A thing that moves through processes."""

    id: str
    type: str
    subject_type: str
    identifier: str
    title: str
    attributes: Json
    created_at: str
    current_execution: str | None = Field(
        description="Its open execution, in whichever workflow; null while several are, or none."
    )


class Subjects(Shape):
    """A page of subjects."""

    items: list[Subject]
    next_cursor: str | None


class NewSubjectType(Body):
    """A kind of subject to be."""

    key: Key
    name: Name
    attributes_schema: Json = Field(default_factory=dict, description="JSON Schema 2020-12 of the attributes.")
    identifier_pattern: str = Field(default="", max_length=500, description="A regular expression; empty: any.")


class SubjectType(Shape):
    """A kind of subject."""

    id: str
    key: str
    name: str
    attributes_schema: Json
    identifier_pattern: str
    created_at: str


class SubjectTypes(Shape):
    """All kinds."""

    items: list[SubjectType]
    next_cursor: None


class StartCapa(Body):
    """How the CAPA's workflow is started."""

    name: str = Field(default="", max_length=200)
    context: Json = Field(default_factory=dict)
    owner: UUID | None = None

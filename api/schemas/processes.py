"""Templates and process versions."""

from typing import Any, Literal

from pydantic import ConfigDict, Field

from api.schemas.base import Body, Json, Key, Name, Shape, Text
from models.flow.graph import ProcessCategory

EXAMPLE: Any = {
    "steps": [
        {
            "key": "inspect",
            "name": "Inspect",
            "step_type": "task",
            "requirements": [
                {
                    "key": "record",
                    "requirement_type": "checklist",
                    "name": "Inspection record",
                    "config": {"items": ["Dimensions", "Appearance"]},
                }
            ],
        },
        {"key": "stock", "name": "Stock", "step_type": "terminal", "is_terminal": True, "terminal_status": "stock"},
    ],
    "edges": [{"from_step": "inspect", "to_step": "stock", "edge_type": "default"}],
}


class NewProcess(Body):
    """A draft to be. A requirement's config may name document types and the like by key, id, or bring them along."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"key": "incoming", "name": "Incoming inspection", "category": "quality", "subject_type": "Part",
                 "graph": EXAMPLE}
            ]
        }
    )  # fmt: skip

    key: Key | None = Field(default=None, description="Made from the name unless given.")
    name: Name
    description: Text = ""
    category: ProcessCategory = ProcessCategory.MANUFACTURING
    subject_type: str = Field(max_length=100)
    template_source: str = Field(default="", max_length=50)
    graph: Json = Field(default_factory=lambda: {"steps": [], "edges": []})


class ChangedProcess(Body):
    """What is to change in a draft; `revision` is the one that was read."""

    revision: int | None = None
    name: Name | None = None
    description: Text | None = None
    category: ProcessCategory | None = None
    subject_type: str | None = Field(default=None, max_length=100)
    graph: Json | None = None


class InstantiateTemplate(Body):
    """How a template becomes a process."""

    approve: bool = Field(default=False, description="Put it into force at once; needs process.approve.")
    key: Key | None = None
    name: Name | None = None


class ProcessInShort(Shape):
    """A version without its graph."""

    id: str
    key: str
    name: str
    description: str
    category: ProcessCategory
    subject_type: str
    version: str
    version_no: int
    status: Literal["draft", "in_review", "approved", "deprecated", "retired"]
    template_source: str
    revision: int
    graph_hash: str | None
    created_at: str
    created_by: str | None
    approved_at: str | None
    approved_by: str | None
    based_on: str | None
    change_note: str
    submitted_at: str | None
    submitted_by: str | None
    effective_from: str | None
    effective_until: str | None


class Process(ProcessInShort):
    """A version in full."""

    graph: Json


class Processes(Shape):
    """A page of versions."""

    items: list[ProcessInShort]
    next_cursor: str | None


class ProcessProblem(Shape):
    """What has to be corrected, and where."""

    code: str
    path: str
    message: str


class Validation(Shape):
    """All problems at once; none: it can be approved."""

    valid: bool
    problems: list[ProcessProblem]


class Template(Shape):
    """A shipped process, and what instantiating it creates."""

    key: str
    name: str
    description: str
    category: str
    subject_type: str
    graph: Json
    document_types: list[Json]
    approval_templates: list[Json]
    measurement_definitions: list[Json]
    child_templates: list[str]


class Templates(Shape):
    """All shipped templates."""

    items: list[Template]
    next_cursor: None

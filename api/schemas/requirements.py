"""The gates of an execution."""

from pydantic import ConfigDict, Field

from api.schemas.base import Body, Json, Shape, Text, UserRef
from api.schemas.executions import OnBehalfOf


class Completion(Body):
    """Evidence in the shape of the requirement's type."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"evidence": {"checked_items": [0, {"item": 1, "value": 12.5}, {"item": 2, "not_applicable": "none"}]}},
                {"evidence": {"document_ids": ["8c1b7a52-5f0e-4d0a-9a53-0d6a7d1c2f11"]}},
                {"evidence": {"submitted_data": {"statement": "Burr on bore"}}},
                {"evidence": {"values": [{"value": "12.004", "unit": "mm", "gauge": "CAL-0042"}]}},
                {"evidence": {"disposition": {"measurement_ids": ["…"], "decision": "use_as_is",
                                              "reason": "Fit is not affected."}}},
                {"evidence": {"password": "…", "meaning": "approved", "content_hash": "…"}},
                {"evidence": {}},
            ]
        }
    )  # fmt: skip

    evidence: Json = Field(default_factory=dict)
    on_behalf_of: OnBehalfOf = None


class Amendment(Body):
    """Other evidence for completed work, and why."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"evidence": {"submitted_data": {"lot": "A7"}}, "reason": "Lot number was misread."}]
        }
    )

    evidence: Json = Field(default_factory=dict)
    reason: Text = ""


class Withdrawal(Body):
    """Why what was given is taken back."""

    reason: Text = ""


class Requirement(Shape):
    """One requirement and where it stands; types add fields of their own (approval, documents, signatures, …)."""

    id: str
    key: str
    requirement_type: str
    name: str
    description: str
    is_mandatory: bool
    order: int
    config: Json
    derived: bool = Field(description="Met by what happens elsewhere; not completed by hand.")
    satisfied: bool
    reason: str | None = Field(description="What is missing; null where it is satisfied.")
    evidence: Json
    completed_at: str | None
    completed_by: UserRef | None


class Revision(Shape):
    """What was given (or withdrawn) at one moment; nothing of it is ever changed."""

    revision: int
    action: str = Field(description="given, withdrawn, voided or amended")
    evidence: Json
    given_at: str
    given_by: UserRef | None = Field(description="Null where the engine did it.")
    reason: str
    source: str


class Revisions(Shape):
    """A page of revisions, the oldest first."""

    items: list[Revision]
    next_cursor: str | None


class Requirements(Shape):
    """All requirements of one execution, judged now."""

    execution_id: str
    content_hash: str = Field(description="Hash of what there is to sign or approve.")
    evidence_rev: int
    satisfied: bool = Field(description="Whether all mandatory ones are.")
    items: list[Requirement]
    next_cursor: None = None

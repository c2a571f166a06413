"""Form: data that fits a JSON Schema (draft 2020-12, formats checked). Each save is a revision of the evidence."""

from collections.abc import Iterable, Mapping
from typing import Any

from jsonschema.exceptions import ValidationError
from pydantic import BaseModel, ConfigDict, Field

from models.requirements.base import Config, ConfigProblem, Giving, Json, Recorded, parsed, pointer_of
from models.requirements.form_schema import schema_faults
from models.store.canonical import canonical
from models.store.gate_errors import EvidenceInvalidError
from models.store.json_schema import UnusableSchemaError, errors_of

MOST_FAULTS = 50


class FormConfig(Config):
    """`schema` (JSON Schema, draft 2020-12) and how it is laid out on the screen."""

    json_schema: dict[str, Any] = Field(alias="schema")
    ui_schema: dict[str, Any] = Field(default_factory=dict)


class Submission(BaseModel):
    """`submitted_data`: what was filled in."""

    model_config = ConfigDict(extra="forbid")

    submitted_data: dict[str, Any] | list[Any]


class Form(Recorded):
    """Evidence: `{"submitted_data": …}`; only what validates is ever kept."""

    name = "form"
    config_model = FormConfig

    def further_problems(self, config: FormConfig) -> Iterable[ConfigProblem]:
        """A schema that is none, refers to what is not there, or asks for what it forbids; nothing is ever fetched."""
        for pointer, message in schema_faults(config.json_schema):
            yield ConfigProblem("config_invalid", "/schema" + pointer, message)

    def missing(self, config: Mapping[str, Any], evidence: Json) -> str | None:  # noqa: ARG002 - the shape is the base's
        """What is kept has been validated, so it is there or it is not."""
        return None if "submitted_data" in evidence else "the form is not filled in"

    async def give(self, giving: Giving) -> Json | None:
        """Validate and keep; an equal submission is no new revision."""
        data = parsed(Submission, giving.evidence).submitted_data
        faults = faults_of(giving.config["schema"], data)
        if faults:
            raise EvidenceInvalidError(errors=faults)
        given = {"submitted_data": data}
        return None if canonical(given) == canonical(giving.before) else given


def faults_of(schema: Mapping[str, Any], data: Any) -> list[dict[str, str]]:
    """Where the data does not fit, each with a JSON pointer into the evidence; empty where it fits."""
    try:
        found = errors_of(schema, data)
    except UnusableSchemaError as error:
        return [{"pointer": "/submitted_data", "message": f"It cannot be held against the form's schema: {error}."}]
    found.sort(key=lambda fault: [str(part) for part in fault.absolute_path])
    return [_fault(one) for one in found[:MOST_FAULTS]]


def _fault(error: ValidationError) -> dict[str, str]:
    path = list(error.absolute_path)
    if error.validator == "required" and isinstance(error.instance, dict) and isinstance(error.validator_value, list):
        gone = [name for name in error.validator_value if name not in error.instance and repr(name) in error.message]
        path += gone[:1]
    return {"pointer": pointer_of(["submitted_data", *path]), "message": error.message[:500]}

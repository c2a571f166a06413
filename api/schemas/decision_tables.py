"""Shapes of decision tables that come from elsewhere."""

from typing import Any, Final

from pydantic import Field

from api.schemas.base import Shape


class ImportedTable(Shape):
    """One decision table of a file."""

    name: str
    decision_table: dict[str, Any] = Field(description="As `config.decision_table` of a decision step takes it.")


class ImportedTables(Shape):
    """All of a file, in its order."""

    tables: list[ImportedTable]


DMN_BODY: Final = {
    "requestBody": {
        "required": True,
        "content": {
            "application/xml": {"schema": {"type": "string", "description": "DMN 1.1 to 1.5; 1 MiB at most."}},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                }
            },
        },
    }
}
"""The body, for the description of the API."""

"""Controlled documents."""

from pydantic import Field

from api.schemas.base import Body, Moment, Shape, Text


class Reason(Body):
    """Why."""

    reason: Text = ""


class Release(Body):
    """Why, and from when it is in force."""

    reason: Text = ""
    effective_at: Moment | None = Field(
        default=None, description="A later moment leaves the revision before in force until then."
    )


class Obsolete(Body):
    """Why it is taken out of force."""

    reason: Text = Field(default="", description="Such as: superseded by revision B.")


class Document(Shape):
    """One revision of a document; its content never changes."""

    id: str
    document_type_id: str
    document_type: str
    subject_id: str | None
    number: str
    title: str
    revision: str
    state: str = Field(description="draft, in_review, released, effective or obsolete")
    sha256: str
    size_bytes: int
    media_type: str
    filename: str
    uploaded_by: str
    created_at: str
    released_by: str | None
    released_at: str | None
    effective_at: str | None = Field(description="The moment it was released for, or came into effect.")
    obsoleted_at: str | None


class Documents(Shape):
    """A page of documents."""

    items: list[Document]
    next_cursor: str | None


UPLOAD = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "document_type_id": {"type": "string", "format": "uuid"},
                        "document_type": {"type": "string", "description": "Key of the type, instead of its id."},
                        "number": {"type": "string", "description": "Counted (DOC-2026-0001) unless given."},
                        "revision": {"type": "string", "default": "A"},
                        "title": {"type": "string"},
                        "subject_id": {"type": "string", "format": "uuid"},
                    },
                }
            }
        },
    }
}
"""The body of an upload, for the description of the API."""

"""Document: controlled documents attached to the execution, enough of them in force.

Only released or effective ones count (ISO 13485 4.2.4); drafts where the requirement says `allow_draft`.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from models.enums import DocumentState
from models.requirements.base import Asked, Config, Gate, Giving, Json, Key, Look, RequirementKind, invalid, parsed
from models.requirements.references import Inline, Named, reference
from models.store.documents import attach, attached_to, detach_all, documents_for_attaching
from models.tables import StepExecution

IN_FORCE = frozenset({DocumentState.RELEASED, DocumentState.EFFECTIVE})
UNFINISHED = frozenset({DocumentState.DRAFT, DocumentState.IN_REVIEW})


class DocumentConfig(Config):
    """How many documents of which type (by id, by key, or written out); any type unless told."""

    document_type_id: UUID | None = None
    document_type: str | Inline | None = None
    min_count: int = Field(default=1, ge=1)
    allow_draft: bool = False

    @property
    def type_wanted(self) -> Named | None:
        """The id or key of the type."""
        return reference(self.document_type_id, self.document_type)

    @property
    def states(self) -> Collection[DocumentState]:
        """In which states a document counts."""
        return IN_FORCE | UNFINISHED if self.allow_draft else IN_FORCE


class Attachments(BaseModel):
    """`document_ids`: of documents uploaded before."""

    model_config = ConfigDict(extra="forbid")

    document_ids: list[UUID] = Field(min_length=1, max_length=500)


class DocumentKind(RequirementKind):
    """Evidence: `{"document_ids": [...]}`; later calls add to it."""

    name = "document"
    config_model = DocumentConfig

    async def unmet(self, look: Look, asked: Sequence[Asked]) -> dict[Key, str]:
        """One query: the states of all documents cited."""
        executions = {execution.id for _, at in asked for execution in at}
        cited: dict[Key, list[_Cited]] = {}
        for row in await attached_to(look.session, look.tenant_id, executions):
            of_one = cited.setdefault((row["execution_id"], row["requirement_id"]), [])
            state = DocumentState(row["state"])
            waits = state is DocumentState.RELEASED and row["effective_at"] is not None
            of_one.append(_Cited(row["document_type_id"], row["document_type"], state, waits))
        found: dict[Key, str] = {}
        for gate, at in asked:
            config = DocumentConfig(**gate.requirement.config)
            for execution in at:
                reason = _missing(config, cited.get((execution.id, gate.id), ()))
                if reason is not None:
                    found[execution.id, gate.id] = reason
        return found

    async def give(self, giving: Giving) -> Json | None:
        """Attach documents of the wanted type; an obsolete one is refused."""
        config = DocumentConfig(**giving.config)
        wanted = list(dict.fromkeys(parsed(Attachments, giving.evidence).document_ids))
        found = {row["id"]: row for row in await documents_for_attaching(giving.session, giving.tenant_id, wanted)}
        for place, document_id in enumerate(wanted):
            pointer, row = f"/document_ids/{place}", found.get(document_id)
            if row is None:
                raise invalid(pointer, f"There is no document {document_id}.")
            if config.type_wanted not in {None, row["document_type_id"], row["document_type"]}:
                raise invalid(pointer, f"The document is a '{row['document_type']}'; another type is asked for.")
            if row["state"] == DocumentState.OBSOLETE:
                raise invalid(pointer, "The document is obsolete. Attach the revision that is in force.")
        before = giving.before.get("document_ids", [])
        after = list(dict.fromkeys([*before, *map(str, wanted)]))
        if after == before:
            return None
        await attach(giving.session, giving.execution, giving.gate.id, wanted)
        return {"document_ids": after}

    async def withdraw(self, giving: Giving) -> None:
        """The execution cites none of them any more."""
        await detach_all(giving.session, giving.execution, giving.gate.id)

    async def shown(self, look: Look, execution: StepExecution, gate: Gate) -> Json:
        """The documents themselves, with their states."""
        rows = await attached_to(look.session, look.tenant_id, {execution.id})
        return {
            "documents": [
                {
                    "id": str(row["document_id"]),
                    "number": row["number"],
                    "revision": row["revision"],
                    "title": row["title"],
                    "state": row["state"],
                    "sha256": row["sha256"],
                }
                for row in rows
                if row["requirement_id"] == gate.id
            ]
        }


class _Cited(NamedTuple):
    """A document as it stands; `waits`: it is released for a later day."""

    type_id: UUID
    type_key: str
    state: DocumentState
    waits: bool


def _missing(config: DocumentConfig, cited: Sequence[_Cited]) -> str | None:
    wanted = config.type_wanted
    fitting = [one for one in cited if wanted in {None, one.type_id, one.type_key}]
    counting = sum(one.state in config.states and (config.allow_draft or not one.waits) for one in fitting)
    if counting >= config.min_count:
        return None
    drafts = sum(one.state in UNFINISHED for one in fitting)
    waiting = sum(one.waits for one in fitting)
    obsolete = sum(one.state is DocumentState.OBSOLETE for one in fitting)
    notes = [
        *([f"{waiting} not effective yet"] if waiting and not config.allow_draft else []),
        *([f"{drafts} not released yet"] if drafts and not config.allow_draft else []),
        *([f"{obsolete} obsolete"] if obsolete else []),
    ]
    return f"{counting} of {config.min_count} documents in force" + (f" ({', '.join(notes)})" if notes else "")

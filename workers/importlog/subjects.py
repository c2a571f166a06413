"""Cases as subjects: what the API is told of a case, and which of them it has from an earlier import."""

import asyncio
import hashlib
from dataclasses import dataclass, field

from models.templates.shape import Json
from workers.importlog.client import Api
from workers.importlog.plan import CasePlan

LONGEST_IDENTIFIER = 200


def identifier_of(case_id: str) -> str:
    """The case id as the API keeps it; one that is too long is cut, and told apart by a digest."""
    name = case_id.strip()
    if len(name) <= LONGEST_IDENTIFIER:
        return name
    return f"{name[: LONGEST_IDENTIFIER - 9]}~{hashlib.sha256(case_id.encode()).hexdigest()[:8]}"


def new_subject(plan: CasePlan, subject_type: str) -> Json:
    """A case as a subject that is not there yet."""
    return {
        "subject_type": subject_type,
        "identifier": identifier_of(plan.case_id),
        "title": f"Case {plan.case_id}"[:500],
        "attributes": dict(plan.attributes),
    }


@dataclass(slots=True)
class KnownSubjects:
    """Subjects of one type by their identifiers; read when the first is asked for, and again for one that is new."""

    api: Api
    subject_type: str
    _ids: dict[str, str] = field(default_factory=dict)
    _reading: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def id_of(self, identifier: str) -> str | None:
        """The id of a subject that exists.

        Raises:
            ApiProblem: with the server's code.
        """
        async with self._reading:
            if identifier not in self._ids:
                async for one in self.api.pages("/api/subjects/", {"subject_type": self.subject_type}):
                    self._ids[one["identifier"]] = one["id"]
        return self._ids.get(identifier)

"""Cases as subjects: what the API is told of a case, and which of them it has from an earlier import."""

import asyncio
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from models.templates.shape import Json
from workers.importlog.client import Api
from workers.importlog.plan import CasePlan

LONGEST_IDENTIFIER = 200


def identifier_of(case_id: str) -> str:
    """The case id as the API keeps it; one that is too long is cut, and told apart by a digest."""
    name = case_id.strip()
    return name if len(name) <= LONGEST_IDENTIFIER else _told_apart(name, case_id)


def new_subject(plan: CasePlan, subject_type: str) -> Json:
    """A case as a subject that is not there yet."""
    return {
        "subject_type": subject_type,
        "identifier": identifier_of(plan.case_id),
        "title": f"Case {plan.case_id}"[:500],
        "attributes": dict(plan.attributes),
    }


def apart(subject: Json) -> Json:
    """The same new subject under an identifier of its own, where another case has the usual one."""
    return {**subject, "identifier": _told_apart(subject["identifier"], _spelled(subject["attributes"]))}


def _told_apart(name: str, by: str) -> str:
    return f"{name[: LONGEST_IDENTIFIER - 9]}~{hashlib.sha256(by.encode()).hexdigest()[:8]}"


def _spelled(attributes: Mapping[str, Any]) -> str:
    return json.dumps(attributes, sort_keys=True)


@dataclass(frozen=True, slots=True)
class Known:
    """A subject that exists: its id, and a digest of its attributes."""

    id: str
    digest: bytes

    def is_same(self, subject: Json) -> bool:
        """Whether it is the case that is meant, and not one of another log with the same id."""
        return self.digest == _digest(subject["attributes"])


def _digest(attributes: Mapping[str, Any]) -> bytes:
    return hashlib.sha256(_spelled(attributes).encode()).digest()


@dataclass(slots=True)
class KnownSubjects:
    """Subjects of one type by their identifiers; read when the first is asked for, and again for one that is new."""

    api: Api
    subject_type: str
    _known: dict[str, Known] = field(default_factory=dict)
    _reading: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def find(self, identifier: str) -> Known | None:
        """The subject that has an identifier.

        Raises:
            ApiProblem: with the server's code.
        """
        async with self._reading:
            if identifier not in self._known:
                async for one in self.api.pages("/api/subjects/", {"subject_type": self.subject_type}):
                    self._known[one["identifier"]] = Known(one["id"], _digest(one["attributes"]))
        return self._known.get(identifier)

"""What a process refers to by key or defines in place, turned into ids of rows that exist in the tenant.

These are document types, approval templates, measurement definitions and child processes. A requirement's config may
name a row by id (`document_type_id`), by key (`document_type: "five_why"`), or bring it along
(`document_type: {"key": …, "name": …}`). Afterwards it has both, the id and the key.
"""

import re
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final, cast
from uuid import UUID, uuid4

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import ProcessStatus
from models.flow.durations import parse_duration
from models.store.audit import AuditDraft
from models.store.canonical import canonical
from models.store.refusals import ConfigInvalidError, ReferenceUnknownError
from models.store.stages import parse_escalation, parse_stages
from models.tables import ApprovalTemplate, DocumentType, MeasurementDefinition, Process

Json = dict[str, Any]
Catalogue = DocumentType | ApprovalTemplate | MeasurementDefinition


@dataclass(frozen=True, slots=True, kw_only=True)
class _Named:
    """A catalogue that configs refer to, and the columns that a definition in place may fill."""

    word: str
    table: type[Catalogue]
    columns: tuple[str, ...] = ()


CATALOGUES: Final[Mapping[str, _Named]] = {
    "document": _Named(word="document_type", table=DocumentType),
    "approval": _Named(
        word="template",
        table=ApprovalTemplate,
        columns=("stages", "due_in", "remind_before", "escalate_to", "allow_self_approval", "allow_delegation"),
    ),
    "measurement": _Named(
        word="measurement_definition",
        table=MeasurementDefinition,
        columns=(
            "unit",
            "nominal",
            "upper_tol",
            "lower_tol",
            "lower_limit",
            "upper_limit",
            "sample_size",
            "gauge_required",
        ),
    ),
}
"""Requirement type → what its config names. The id stands under the same word with `_id`."""


@dataclass(slots=True, kw_only=True)
class Resolver:
    """Resolves one graph; remembers what it created, for the audit trail.

    Attributes:
        children: template key → process id, of child templates instantiated just now.
        reuse: Take an existing row of the same key whatever it says (shipped templates), or only an equal one.
    """

    session: AsyncSession
    tenant_id: UUID
    children: Mapping[str, UUID] = field(default_factory=dict)
    reuse: bool = False
    created: list[AuditDraft] = field(default_factory=list)

    async def resolve(self, graph: Any) -> Any:
        """A copy of the graph with every reference resolved; what is no graph is returned as it came.

        Raises:
            StoreError: reference_unknown, config_invalid.
        """
        found = deepcopy(graph)
        for number, step in enumerate(_objects(found, "steps")):
            for place, requirement in enumerate(_objects(step, "requirements")):
                config = requirement.get("config")
                if isinstance(config, dict):
                    path = f"steps[{number}].requirements[{place}].config"
                    await self._resolve(str(requirement.get("requirement_type")), config, path)
        for number, edge in enumerate(_objects(found, "edges")):
            config = edge.get("config")
            if isinstance(config, dict) and config:
                await self._resolve("measurement", config, f"edges[{number}].config")
        return found

    async def _resolve(self, requirement_type: str, config: Json, path: str) -> None:
        if requirement_type == "child_workflow":
            await self._child(config, path)
            return
        named = CATALOGUES.get(requirement_type)
        if named is None:
            return
        by_id, by_word = config.get(f"{named.word}_id"), config.get(named.word)
        if isinstance(by_word, dict):
            row = await self.ensure(named, by_word, f"{path}.{named.word}")
        elif by_id is not None:
            row = await self._by_id(named, by_id, f"{path}.{named.word}_id")
        elif by_word is not None:
            row = await self._by_key(named, by_word, f"{path}.{named.word}")
        else:
            return
        config[named.word] = row.key
        config[f"{named.word}_id"] = str(row.id)

    async def ensure_catalogue(self, requirement_type: str, rows: Iterable[Json]) -> None:
        """Create what a shipped template refers to, where the tenant does not have it yet."""
        for row in rows:
            await self.ensure(CATALOGUES[requirement_type], row, requirement_type)

    async def ensure(self, named: _Named, given: Json, path: str) -> Catalogue:
        """The row that `given` defines: an existing one where it is the same, else a new one."""
        values = _values(named, given, path)
        key = str(given.get("key") or slug(values["name"]))
        explicit = bool(given.get("key"))
        number = 1
        while True:
            candidate = key if number == 1 else f"{key}-{number}"
            known = await self._find(named, candidate)
            if known is None:
                return await self._create(named, candidate, values)
            if self.reuse or _same(known, values):
                return known
            if explicit:
                raise ConfigInvalidError(path=path, detail=f"the key '{key}' is taken by another definition")
            number += 1

    async def _create(self, named: _Named, key: str, values: Json) -> Catalogue:
        row = named.table(tenant_id=self.tenant_id, id=uuid4(), key=key, **values)
        self.session.add(row)
        await self.session.flush()
        self.created.append(
            AuditDraft(
                action=f"{row.__tablename__}.created",
                object_type=str(row.__tablename__),
                object_id=row.id,
                new={"key": key, **_plain(values)},
            )
        )
        return row

    async def _find(self, named: _Named, key: str) -> Catalogue | None:
        statement = select(named.table).where(col(named.table.tenant_id) == self.tenant_id, col(named.table.key) == key)
        found: Any = (await self.session.exec(statement)).one_or_none()
        return cast("Catalogue | None", found)

    async def _by_key(self, named: _Named, key: Any, path: str) -> Catalogue:
        row = await self._find(named, key) if isinstance(key, str) else None
        if row is None:
            raise ReferenceUnknownError(reference=key, path=path)
        return row

    async def _by_id(self, named: _Named, given: Any, path: str) -> Catalogue:
        key = as_uuid(given)
        row: Any = None if key is None else await self.session.get(named.table, (self.tenant_id, key))
        if row is None:
            raise ReferenceUnknownError(reference=given, path=path)
        return cast("Catalogue", row)

    async def _child(self, config: Json, path: str) -> None:
        """`process_id`, `process` (a key: its latest approved version) or `process_template`."""
        template, key, given = (config.get(name) for name in ("process_template", "process", "process_id"))
        if given is not None:
            found = await self._process_id(given)
            if found is None:
                raise ReferenceUnknownError(reference=given, path=f"{path}.process_id")
        elif template is not None or key is not None:
            by = col(Process.template_source) == template if template is not None else col(Process.key) == key
            found = self.children.get(str(template)) or await self._latest(by)
            if found is None:
                word = "process" if template is None else "process_template"
                raise ReferenceUnknownError(reference=template or key, path=f"{path}.{word}")
        else:
            return
        config["process_id"] = str(found)

    async def _process_id(self, given: Any) -> UUID | None:
        key = as_uuid(given)
        row = None if key is None else await self.session.get(Process, (self.tenant_id, key))
        return None if row is None else row.id

    async def _latest(self, condition: Any) -> UUID | None:
        statement = (
            select(Process.id)
            .where(col(Process.tenant_id) == self.tenant_id, col(Process.status) == ProcessStatus.APPROVED, condition)
            .order_by(col(Process.approved_at).desc(), col(Process.version_no).desc())
            .limit(1)
        )
        return (await self.session.exec(statement)).one_or_none()


def slug(name: str) -> str:
    """`Phase Gate 1` → `phase-gate-1`."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:80] or "unnamed"


def as_uuid(value: Any) -> UUID | None:
    """The UUID that a JSON value spells, or None."""
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _objects(holder: Any, name: str) -> list[Json]:
    """The objects of a list; positions count objects only where all entries are, as `validate` asks."""
    rows = holder.get(name) if isinstance(holder, dict) else None
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _values(named: _Named, given: Json, path: str) -> Json:
    """The columns of a definition in place, typed.

    Raises:
        ConfigInvalidError: config_invalid.
    """
    unknown = sorted(set(given) - {"key", "name", *named.columns})
    if unknown:
        raise ConfigInvalidError(path=path, detail=f"unknown fields: {', '.join(unknown)}")
    if not isinstance(given.get("name"), str) or not given["name"].strip():
        raise ConfigInvalidError(path=path, detail="it needs a name")
    values: Json = {"name": given["name"].strip()}
    try:
        for column in named.columns:
            if given.get(column) is not None:
                values[column] = _typed(column, given[column])
    except (ValueError, InvalidOperation) as error:
        raise ConfigInvalidError(path=path, detail=str(error) or "a value has the wrong type") from error
    if values.get("lower_limit", 0) > values.get("upper_limit", values.get("lower_limit", 0)):
        raise ConfigInvalidError(path=path, detail="the lower limit lies above the upper one")
    if named.table is ApprovalTemplate and not values.get("stages"):
        raise ConfigInvalidError(path=path, detail="it needs stages")
    return values


def _typed(column: str, value: Any) -> Any:
    match column:
        case "due_in" | "remind_before":
            return parse_duration(str(value))
        case "nominal" | "upper_tol" | "lower_tol" | "lower_limit" | "upper_limit":
            if isinstance(value, bool) or not Decimal(str(value)).is_finite():
                raise ValueError(f"{column} must be a number")
            return Decimal(str(value))
        case "sample_size":
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError("sample_size must be a whole number from 1")
            return value
        case "stages":
            if not isinstance(value, list) or not all(isinstance(stage, dict) for stage in value):
                raise ValueError("stages must be a list of objects")
            parse_stages(value)
            return value
        case "escalate_to":
            return parse_escalation(value)
        case "allow_self_approval" | "allow_delegation" | "gauge_required":
            return bool(value)
        case _:
            return str(value)


def _same(row: Catalogue, values: Json) -> bool:
    return all(
        canonical(_plain({name: getattr(row, name)})) == canonical(_plain({name: value}))
        for name, value in values.items()
    )


def _plain(values: Mapping[str, Any]) -> Json:
    shown: Json = {}
    for name, value in values.items():
        match value:
            case Decimal():
                shown[name] = f"{value.normalize():f}"
            case timedelta():
                shown[name] = f"PT{int(value.total_seconds())}S"
            case _:
                shown[name] = value
    return shown

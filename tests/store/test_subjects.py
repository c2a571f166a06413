"""Subjects and their kinds: what fits is kept, what does not is refused with every fault at once."""

import asyncio
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import select

from models.db import tenant_session
from models.enums import CapaSeverity
from models.store.errors import (
    NotFoundError,
    PatternInvalidError,
    SchemaInvalidError,
    StoreError,
    SubjectAttributesInvalidError,
    SubjectIdentifierInvalidError,
    SubjectIdentifierTakenError,
    SubjectTypeTakenError,
    SubjectTypeUnknownError,
)
from models.store.subject_types import (
    change_subject_type,
    create_subject_type,
    list_subject_types,
    subject_type_by_key,
)
from models.store.subjects import NewSubject, change_subject, create_subjects, find_subjects, get_subject, list_subjects
from models.store.verify import verify_tenant
from models.tables import AuditEntry, Capa, Part, Subject, SubjectType
from tests.store.scene import Scene

SCHEMA = {
    "type": "object",
    "properties": {"weight": {"type": "number", "minimum": 0}, "made": {"type": "string", "format": "date"}},
    "required": ["weight"],
}


@pytest.fixture
async def gear(app: AsyncEngine, scene: Scene) -> SubjectType:
    async with tenant_session(app, scene.tenant) as session:
        return await create_subject_type(
            session,
            scene.actor,
            key="Gear",
            name="Gear",
            attributes_schema=SCHEMA,
            identifier_pattern=r"^(G-\d+|GEAR-\d{4}-\d{4,})$",
        )


async def add(app: AsyncEngine, scene: Scene, kind: SubjectType, *new: NewSubject) -> list[Subject]:
    async with tenant_session(app, scene.tenant) as session:
        made = await create_subjects(session, scene.actor, kind, new)
        return [(await get_subject(session, scene.tenant, one))[0] for one in made]


def a_gear(identifier: str = "", weight: object = 1.5) -> NewSubject:
    return NewSubject(identifier=identifier, title="A gear", attributes={"weight": weight})


async def test_a_subject_that_fits_is_kept_and_audited(app: AsyncEngine, scene: Scene, gear: SubjectType) -> None:
    [made] = await add(app, scene, gear, a_gear("G-1"))
    assert (made.identifier, made.attributes, made.created_by) == ("G-1", {"weight": 1.5}, scene.user)
    async with tenant_session(app, scene.tenant) as session:
        entry = (await session.exec(select(AuditEntry).where(AuditEntry.action == "subject.created"))).one()
        shown = {"identifier": "G-1", "title": "A gear", "attributes": {"weight": 1.5}}
        assert entry.new == {"subject_type": "Gear", **shown}
        assert await verify_tenant(session, scene.tenant) == []


async def test_without_an_identifier_it_gets_a_number(app: AsyncEngine, scene: Scene, gear: SubjectType) -> None:
    made = await add(app, scene, gear, a_gear(), a_gear("G-7"), a_gear())
    year = made[0].created_at.year
    assert [one.identifier for one in made] == [f"GEAR-{year}-0001", "G-7", f"GEAR-{year}-0002"]


async def test_attributes_that_do_not_fit_are_refused_with_every_fault(
    app: AsyncEngine, scene: Scene, gear: SubjectType
) -> None:
    bad = NewSubject(identifier="G-1", attributes={"weight": -1, "made": "yesterday"})
    with pytest.raises(SubjectAttributesInvalidError) as refused:
        await add(app, scene, gear, a_gear("G-2"), bad)
    assert [fault["path"] for fault in refused.value.params["errors"]] == ["$.made", "$.weight"]
    async with tenant_session(app, scene.tenant) as session:
        assert await find_subjects(session, scene.tenant, gear.id, ["G-2"]) == {}


@pytest.mark.parametrize("identifier", ["H-1", "x" * 300])
async def test_an_identifier_has_to_fit_its_pattern(
    app: AsyncEngine, scene: Scene, gear: SubjectType, identifier: str
) -> None:
    with pytest.raises(SubjectIdentifierInvalidError):
        await add(app, scene, gear, a_gear(identifier))


async def test_identifiers_are_unique_per_kind(app: AsyncEngine, scene: Scene, gear: SubjectType) -> None:
    await add(app, scene, gear, a_gear("G-1"))
    with pytest.raises(SubjectIdentifierTakenError, match="'G-1'"):
        await add(app, scene, gear, a_gear("G-2"), a_gear("G-1"))
    with pytest.raises(SubjectIdentifierTakenError, match="'G-3'"):
        await add(app, scene, gear, a_gear("G-3"), a_gear("G-3"))


async def test_of_two_at_once_one_is_refused(app: AsyncEngine, scene: Scene, gear: SubjectType) -> None:
    made = await asyncio.gather(*(add(app, scene, gear, a_gear("G-1")) for _ in range(5)), return_exceptions=True)
    assert sum(isinstance(one, SubjectIdentifierTakenError) for one in made) == 4


async def test_a_thousand_at_once(app: AsyncEngine, scene: Scene, gear: SubjectType) -> None:
    made = await add(app, scene, gear, *(a_gear() for _ in range(1000)))
    assert len({one.identifier for one in made}) == 1000


async def test_part_and_capa_have_a_row_of_their_own(app: AsyncEngine, scene: Scene) -> None:
    async with tenant_session(app, scene.tenant) as session:
        part_type = await subject_type_by_key(session, scene.tenant, "Part")
        capa_type = await create_subject_type(session, scene.actor, key="CAPA", name="CAPA")
        sampled = NewSubject(identifier="P-1", attributes={"requires_sampling": True})
        [part] = await create_subjects(session, scene.actor, part_type, [sampled])
        severe = [NewSubject(attributes={"severity": "Critical"}), NewSubject(attributes={"severity": "odd"})]
        capas = await create_subjects(session, scene.actor, capa_type, severe)
        assert (await session.get_one(Part, (scene.tenant, part))).requires_sampling
        first, second = [await session.get_one(Capa, (scene.tenant, one)) for one in capas]
        assert (first.severity, second.severity) == (CapaSeverity.CRITICAL, CapaSeverity.MINOR)
        assert first.capa_number.startswith("CAPA-")


async def test_changes_are_checked_and_audited(app: AsyncEngine, scene: Scene, gear: SubjectType) -> None:
    [made] = await add(app, scene, gear, a_gear("G-1"))
    async with tenant_session(app, scene.tenant) as session:
        changed = await change_subject(session, scene.actor, made.id, attributes={"weight": 2}, reason="weighed again")
        assert changed.attributes == {"weight": 2}
        entry = (await session.exec(select(AuditEntry).where(AuditEntry.action == "subject.changed"))).one()
        assert (entry.old, entry.new) == ({"attributes": {"weight": 1.5}}, {"attributes": {"weight": 2}})
        assert entry.reason == "weighed again"
        with pytest.raises(SubjectAttributesInvalidError):
            await change_subject(session, scene.actor, made.id, attributes={})
        with pytest.raises(NotFoundError):
            await change_subject(session, scene.actor, uuid4(), title="nothing")


async def test_subjects_are_listed_newest_first_and_searched(app: AsyncEngine, scene: Scene, gear: SubjectType) -> None:
    made = [(await add(app, scene, gear, a_gear(f"G-{n}")))[0] for n in range(3)]
    async with tenant_session(app, scene.tenant) as session:
        page = await list_subjects(session, scene.tenant, type_key="Gear", limit=2)
        last = page[-1][0]
        rest = await list_subjects(session, scene.tenant, type_key="Gear", after=(last.created_at, last.id))
        assert [one.identifier for one, _ in (*page, *rest)] == [one.identifier for one in reversed(made)]
        found = await list_subjects(session, scene.tenant, search="g-1")
        assert [(one.identifier, kind.key) for one, kind in found] == [("G-1", "Gear")]
        assert await list_subjects(session, scene.tenant, search="%") == []


@pytest.mark.timeout(60)
async def test_an_identifier_is_held_against_its_pattern_in_a_moment(app: AsyncEngine, scene: Scene) -> None:
    async with tenant_session(app, scene.tenant) as session:
        kind = await create_subject_type(
            session, scene.actor, key="Slow", name="Slow", identifier_pattern=r"^([A-Z0-9]+[-_ ]?)*$"
        )
    with pytest.raises(SubjectIdentifierInvalidError):
        await add(app, scene, kind, NewSubject(identifier="A" * 100 + "!", title="", attributes={}))


@pytest.mark.parametrize(
    ("definition", "error"),
    [
        ({"attributes_schema": {"type": "no such type"}}, SchemaInvalidError),
        ({"attributes_schema": {"$ref": "https://example.com/schema.json"}}, SchemaInvalidError),
        ({"identifier_pattern": "("}, PatternInvalidError),
        ({"identifier_pattern": r"^(?=.*\d)[A-Z0-9]+$"}, PatternInvalidError),
        ({"attributes_schema": {"properties": {"a": {"pattern": r"(.)\1"}}}}, SchemaInvalidError),
        ({"key": "Part"}, SubjectTypeTakenError),
    ],
)
async def test_a_kind_that_cannot_work_is_refused(
    app: AsyncEngine, scene: Scene, definition: dict[str, object], error: type[StoreError]
) -> None:
    given: dict[str, object] = {"key": "New", "name": "New", **definition}
    async with tenant_session(app, scene.tenant) as session:
        with pytest.raises(error):
            await create_subject_type(session, scene.actor, **given)  # type: ignore[arg-type]
        assert [one.key for one in await list_subject_types(session, scene.tenant)] == ["Part"]


async def test_a_kind_can_be_changed(app: AsyncEngine, scene: Scene, gear: SubjectType) -> None:
    async with tenant_session(app, scene.tenant) as session:
        await change_subject_type(session, scene.actor, gear.id, name="Cog", identifier_pattern="")
        with pytest.raises(SubjectTypeUnknownError) as refused:
            await subject_type_by_key(session, scene.tenant, "Cog")
        assert refused.value.params["allowed"] == ["Gear", "Part"]
        with pytest.raises(SchemaInvalidError):
            await change_subject_type(session, scene.actor, gear.id, attributes_schema={"type": 1})

"""Roles and users that a version names: whose work its steps are, who hears of what is late, who approves.

A name that nobody has would leave work to nobody, so it is looked up before a version is put into force. Who leaves
later is another matter: then an administrator reassigns.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from models.permissions import ROLE_PERMISSIONS
from models.store.approvals import templates_of
from models.store.reading import fetch
from models.store.references import as_uuid

Json = dict[str, Any]

_USERS: Final = text(
    "SELECT id, username FROM user_account"
    " WHERE tenant_id = :tenant AND is_active AND (username = ANY(:named) OR id::text = ANY(:named))"
)
_OF_A_STAGE: Final = (("role", "roles"), ("user", "users"), ("role", "veto_roles"), ("user", "veto_users"))
_OF_ALL: Final = _OF_A_STAGE[:2]


class _Named(NamedTuple):
    """A `role` or `user` that stands at a place of the graph."""

    kind: str
    name: str
    path: str


async def active_users(session: AsyncSession, tenant_id: UUID, named: Collection[str]) -> frozenset[str]:
    """Those of these ids and usernames that belong to active users of the tenant."""
    if not named:
        return frozenset()
    rows = await fetch(session, _USERS, tenant=tenant_id, named=sorted(named))
    return frozenset(named) & {name for row in rows for name in (str(row["id"]), row["username"])}


async def unknown_people(session: AsyncSession, tenant_id: UUID, graph: Mapping[str, Any]) -> list[Json]:
    """A problem for each role that there is not, and each user who is not here or not active."""
    named = [*_in_steps(graph), *await _in_templates(session, tenant_id, graph)]
    users = await active_users(session, tenant_id, {one.name for one in named if one.kind == "user"})
    known: Mapping[str, Collection[str]] = {"role": ROLE_PERMISSIONS, "user": users}
    return [_problem(one) for one in named if one.name not in known[one.kind]]


def _problem(one: _Named) -> Json:
    if one.kind == "role":
        message = f"There is no role '{one.name}'. Roles: {', '.join(sorted(ROLE_PERMISSIONS))}."
    else:
        message = f"There is no active user '{one.name}'. Name another one, or have an administrator add them."
    return {"code": f"{one.kind}_unknown", "path": one.path, "message": message}


def _in_steps(graph: Mapping[str, Any]) -> Iterator[_Named]:
    for number, step in enumerate(graph.get("steps") or ()):
        config = step.get("config") or {}
        path = f"steps[{number}]"
        yield from _listed(config.get("assignment"), f"{path}.config.assignment", _OF_ALL)
        for place, level in enumerate((config.get("escalation") or {}).get("levels") or ()):
            yield from _addressed(level.get("to"), f"{path}.config.escalation.levels[{place}].to")
    for config, path in _approvals(graph):
        yield from _listed(config, path, _OF_ALL)
        yield from _listed(config.get("escalate_to"), f"{path}.escalate_to", _OF_ALL)
        for place, stage in enumerate(config.get("stages") or ()):
            yield from _listed(stage, f"{path}.stages[{place}]", _OF_A_STAGE)


async def _in_templates(session: AsyncSession, tenant_id: UUID, graph: Mapping[str, Any]) -> list[_Named]:
    """Whom approval templates ask, at the places that name the templates."""
    wanted = {path: found for config, path in _approvals(graph) if (found := as_uuid(config.get("template_id")))}
    if not wanted:
        return []
    templates = await templates_of(session, tenant_id, ids=set(wanted.values()))
    named = []
    for path, template_id in wanted.items():
        row = templates[template_id]
        lists = [(stage, _OF_A_STAGE) for stage in row["stages"]] + [(row["escalate_to"], _OF_ALL)]
        asked = {(one.kind, one.name) for holder, names in lists for one in _listed(holder, path, names)}
        named += [_Named(kind, name, f"{path}.template") for kind, name in sorted(asked)]
    return named


def _approvals(graph: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], str]]:
    for number, step in enumerate(graph.get("steps") or ()):
        for place, requirement in enumerate(step.get("requirements") or ()):
            if requirement.get("requirement_type") == "approval":
                yield requirement.get("config") or {}, f"steps[{number}].requirements[{place}].config"


def _listed(holder: Mapping[str, Any] | None, path: str, names: Sequence[tuple[str, str]]) -> Iterator[_Named]:
    for kind, name in names:
        for number, one in enumerate((holder or {}).get(name) or ()):
            yield _Named(kind, str(one), f"{path}.{name}[{number}]")


def _addressed(words: Sequence[str] | None, path: str) -> Iterator[_Named]:
    """Of `owner`, `role:…`, `user:…`: those that name somebody."""
    for number, word in enumerate(words or ()):
        kind, _, name = word.partition(":")
        if kind in {"role", "user"}:
            yield _Named(kind, name, f"{path}[{number}]")

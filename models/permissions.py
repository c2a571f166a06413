"""Which role may do what: the one table. A permission is asked for by name wherever something is done.

Roles are rows of `user_role`; what they mean is here, so that a change of meaning is a reviewed change of code
(21 CFR 11.10(k)). Nobody gets a permission except through a role.
"""

from collections.abc import Iterable
from typing import Final

_READ: Final = frozenset({"instance.read", "process.read", "subject.read", "document.read"})
_WORK: Final = _READ | {
    "execution.work",
    "evidence.give",
    "quality.report",
    "document.upload",
    "instance.start",
    "capa.start",
}
_DECIDE: Final = _READ | {"approval.decide"}
_ENGINEER: Final = _WORK | _DECIDE | {"process.edit", "subject.edit", "catalog.edit", "event.post"}
_QUALITY: Final = _ENGINEER | {
    "audit.read", "document.release", "execution.force", "execution.reassign", "execution.signoff", "execution.skip",
    "execution.move", "execution.rewind", "execution.undo", "instance.subjects", "instance.split", "evidence.amend",
    "evidence.disposition", "instance.control", "instance.migrate", "ops.incident_resolve", "process.approve",
}  # fmt: skip

ROLE_PERMISSIONS: Final[dict[str, frozenset[str]]] = {
    "admin": _QUALITY | {"user.manage", "user.read", "tenant.manage", "connector.manage", "process.self_approve"},
    "quality_manager": _QUALITY | {"user.read"},
    "engineer": _ENGINEER | {"user.read"},
    "operator": _WORK,
    "approver": _DECIDE,
    "auditor": _READ | {"audit.read", "user.read"},
    "importer": _WORK | {
        "audit.read", "execution.signoff", "process.edit", "process.approve", "process.self_approve", "subject.edit",
        "catalog.edit", "event.post", "instance.control", "importer.act_on_behalf",
    },
    "service": _READ | {"execution.work", "event.post", "command.service"},
}  # fmt: skip
"""`service` is for service accounts only: it works on executions, and never signs, forces or approves."""

ASSIGNABLE_ROLES: Final = frozenset(ROLE_PERMISSIONS) - {"service"}
"""What an administrator may give to a person."""

PERMISSIONS: Final = frozenset().union(*ROLE_PERMISSIONS.values())


def permissions_of(roles: Iterable[str]) -> frozenset[str]:
    """Everything that these roles allow together; an unknown role allows nothing."""
    return frozenset().union(*(ROLE_PERMISSIONS.get(role, frozenset()) for role in roles))


def roles_with(permission: str) -> tuple[str, ...]:
    """The roles that hold a permission, sorted; for messages that say whom to ask."""
    return tuple(sorted(role for role, held in ROLE_PERMISSIONS.items() if permission in held))

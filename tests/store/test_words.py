"""The closed lists: roles and permissions, error codes and their sentences."""

import re

from models.permissions import ASSIGNABLE_ROLES, PERMISSIONS, ROLE_PERMISSIONS, permissions_of, roles_with
from models.store.errors import CODES, NotFoundError, PasswordTooWeakError


def test_the_shipped_roles() -> None:
    shipped = {"admin", "quality_manager", "engineer", "operator", "approver", "auditor", "importer"}
    assert shipped == ASSIGNABLE_ROLES
    assert set(ROLE_PERMISSIONS) == shipped | {"service"}


def test_roles_add_up_and_an_unknown_one_allows_nothing() -> None:
    assert permissions_of([]) == frozenset()
    assert permissions_of(["king"]) == frozenset()
    assert permissions_of(["operator", "approver"]) == ROLE_PERMISSIONS["operator"] | ROLE_PERMISSIONS["approver"]


def test_an_auditor_only_reads() -> None:
    assert all(permission.endswith(".read") for permission in ROLE_PERMISSIONS["auditor"])


def test_a_service_account_never_signs_forces_or_approves() -> None:
    service = ROLE_PERMISSIONS["service"]
    assert not service & {"execution.signoff", "execution.force", "approval.decide", "process.approve", "evidence.give"}


def test_acting_for_others_is_for_the_importer_alone() -> None:
    assert roles_with("importer.act_on_behalf") == ("importer",)
    assert roles_with("user.manage") == ("admin",)


def test_permissions_are_named_alike() -> None:
    assert all(re.fullmatch(r"[a-z]+\.[a-z_]+", permission) for permission in PERMISSIONS)


def test_the_docstring_is_the_message() -> None:
    assert str(PasswordTooWeakError(minimum=10)).startswith("The password needs at least 10 characters")
    assert "<id>" in NotFoundError(what="user").message


def test_every_code_is_snake_case_and_every_sentence_ends() -> None:
    for code, error in CODES.items():
        assert re.fullmatch(r"[a-z_]+", code)
        assert error().message.endswith((".", "."))

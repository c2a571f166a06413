"""The ids of a process version's rows: those that are stored already must come out again."""

from uuid import UUID, uuid5

from models.flow.ids import requirement_id, step_id

PROCESS = UUID("6f1e1c9e-3f0e-4a43-9c39-0d4e9a3f0001")
OTHER = UUID("6f1e1c9e-3f0e-4a43-9c39-0d4e9a3f0002")


def test_a_row_is_called_by_its_version_and_its_keys() -> None:
    assert step_id(PROCESS, "weld") == uuid5(PROCESS, "step/weld")
    assert requirement_id(PROCESS, "weld", "photo") == uuid5(PROCESS, "requirement/weld/photo")


def test_no_two_are_called_alike() -> None:
    ids = {step_id(of, key) for of in (PROCESS, OTHER) for key in ("weld", "test")}
    ids |= {requirement_id(PROCESS, key, gate) for key in ("weld", "test") for gate in ("photo", "weld")}
    assert len(ids) == 8

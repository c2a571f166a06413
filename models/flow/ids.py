"""Deterministic ids of what a process version consists of: its rows and its JSON name the same things."""

from uuid import UUID, uuid5


def step_id(process_id: UUID, step: str) -> UUID:
    """The id of a step's row: uuid5 of the process version and the step's key."""
    return uuid5(process_id, f"step/{step}")


def requirement_id(process_id: UUID, step: str, requirement: str) -> UUID:
    """The id of a requirement's row: uuid5 of the process version, the step's key and the requirement's key."""
    return uuid5(process_id, f"requirement/{step}/{requirement}")

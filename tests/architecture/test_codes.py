"""Every code that a program may have to compare stands in its table and in the docs, wherever it is answered from."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from api.problem_table import FLOW_STATUS, HTTP, STORE_STATUS
from models.flow.errors import REFUSALS
from models.flow.incidents import INCIDENTS
from models.flow.problems import PROBLEMS
from models.flow.remedies import REMEDIES

ROOT = Path(__file__).parents[2]
ROOMS = ("api", "activities", "models", "workers", "workflows")
OF_HTTP = {*FLOW_STATUS, *STORE_STATUS, *HTTP}
TABLES = {
    ("activities", "FlowError"): {*REFUSALS},
    ("api", "FlowError"): {*REFUSALS},
    ("models", "FlowError"): {*REFUSALS},
    ("models", "problem"): {*PROBLEMS},
    ("api", "Problem"): OF_HTTP,
    ("api", "answer"): OF_HTTP,
    ("api", "document"): OF_HTTP,
}
"""Room, and what is called there with a code → where that code has to be."""
PROBLEM_OF_A_PROCESS = {"code", "path", "message"}


@cache
def trees() -> dict[str, ast.Module]:
    """The sources, by their place."""
    found = {}
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            found[str(path.relative_to(ROOT))] = ast.parse(path.read_text())
    return found


def text_of(node: ast.expr | None) -> str | None:
    """A literal text."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def called(room: str, name: str) -> Iterator[tuple[str, str]]:
    """Where something is called with a code that is written out, and which."""
    for place, tree in trees().items():
        for node in ast.walk(tree) if place.startswith(f"{room}/") else ():
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name and node.args:
                code = text_of(node.args[0])
                if code is not None:
                    yield place, code


def written_out() -> Iterator[tuple[str, str]]:
    """Codes of problems of a process that are given as an object."""
    for place, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Dict):
                entries = {text_of(key): value for key, value in zip(node.keys, node.values, strict=True)}
                if set(entries) == PROBLEM_OF_A_PROCESS and (code := text_of(entries["code"])) is not None:
                    yield place, code


@pytest.mark.parametrize(("room", "name"), TABLES)
def test_a_code_that_is_raised_is_in_its_table(room: str, name: str) -> None:
    assert [(place, code) for place, code in called(room, name) if code not in TABLES[room, name]] == []


def test_every_code_that_can_be_answered_is_in_the_docs() -> None:
    docs = "\n".join(page.read_text() for page in sorted((ROOT / "docs").glob("*.md")))
    answered = {code for table in TABLES.values() for code in table} | {
        code for _, code in called("models", "ConfigProblem")
    }
    answered |= {code for _, code in written_out()} | set(INCIDENTS) | set(REMEDIES)
    assert {"expression_invalid", "requirement_type_unknown", "run_gone", "no_route"} <= answered
    assert sorted(code for code in answered if f"`{code}`" not in docs) == []

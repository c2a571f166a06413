"""`models.flow` imports the standard library and itself only (ADR 2)."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

FLOW = Path(__file__).parents[2] / "models" / "flow"


def imported(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


@pytest.mark.parametrize("path", sorted(FLOW.rglob("*.py")), ids=lambda path: path.name)
def test_the_core_imports_the_standard_library_only(path: Path) -> None:
    foreign = [
        name
        for name in imported(path.read_text())
        if name.split(".")[0] not in sys.stdlib_module_names and not name.startswith("models.flow")
    ]
    assert foreign == []

"""The pages of reference are what the code says, and what they show can be used as it stands."""

import json
import re
from pathlib import Path

import pytest

from api.checking import process_problems
from api.schemas.processes import NewProcess
from scripts.render_engine_docs import DOCS, PAGES, render

README = Path(__file__).parents[2] / "README.md"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_current(name: str) -> None:
    page = (DOCS / name).read_text("utf-8")
    assert render(name, page) == page, "run: python -m scripts.render_engine_docs"
    for part in PAGES[name]:
        assert f"<!-- generated: {part} -->" in page


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_found_from_the_readme(name: str) -> None:
    assert f"(docs/{name})" in README.read_text("utf-8")


def test_the_example_of_a_drawing_can_be_published() -> None:
    (example,) = re.findall(r"```json\n(.*?)```", (DOCS / "drawing.md").read_text("utf-8"), re.DOTALL)
    process = NewProcess.model_validate(json.loads(example))
    assert process_problems(process.graph, private_allowed=False) == []

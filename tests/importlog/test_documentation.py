"""The how-to names every code that the importer can end with."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_code_is_documented() -> None:
    source = "".join(path.read_text("utf-8") for path in (ROOT / "workers" / "importlog").glob("*.py"))
    raised = re.findall(r'(?:LogError|NotPossible)\(\s*"(\w+)"|ApiProblem\(0, "(\w+)"', source)
    codes = {one or other for one, other in raised}
    assert len(codes) > 10
    documented = (ROOT / "docs" / "import-log.md").read_text("utf-8")
    assert sorted(code for code in codes if f"`{code}`" not in documented) == []

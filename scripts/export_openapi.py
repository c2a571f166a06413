"""Write docs/openapi.json and docs/errors.md from the code; tests assert that both are current."""

import json
from pathlib import Path

from api.app import create_app
from api.problem_table import FLOW_STATUS, HTTP, STORE_STATUS, phrase_of, sentence_of, status_of
from models.settings import Settings

DOCS = Path(__file__).parents[1] / "docs"

HEAD = """# Errors

Every error is `application/problem+json` with a stable `code`; programs compare the code, people read `detail`.
Words in braces are members of the document too. Made by `scripts/export_openapi.py` from `api/problem_table.py`.

| code | status | what it says |
|---|---|---|
"""


def main() -> None:
    """Write both files."""
    described = create_app(Settings()).openapi()
    (DOCS / "openapi.json").write_text(json.dumps(described, indent=1, ensure_ascii=False) + "\n")
    rows = []
    for code in sorted({*FLOW_STATUS, *STORE_STATUS, *HTTP}):
        status = status_of(code)
        rows.append(f"| `{code}` | {status} {phrase_of(status)} | {sentence_of(code)} |\n".replace("||", "|"))
    (DOCS / "errors.md").write_text(HEAD + "".join(rows))


if __name__ == "__main__":
    main()

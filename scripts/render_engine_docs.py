"""Write the generated parts of the docs: `python -m scripts.render_engine_docs` (tests say when it is due)."""

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from models.flow.errors import REFUSALS
from models.flow.problems import PROBLEMS
from models.flow.status import OPEN
from models.flow.status import ExecutionStatus as S
from models.flow.transitions import MOVES, OK, REPEAT, Action, verdict
from models.permissions import PERMISSIONS, ROLE_PERMISSIONS
from scripts import drawing_tables as drawing

DOCS: Final = Path(__file__).resolve().parent.parent / "docs"

_MARKED = re.compile(r"(<!-- generated: (\w+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)

COLUMNS: Final[Mapping[str, tuple[tuple[S, ...], bool, bool]]] = {
    "pending": ((S.PENDING,), False, False),
    "claimed, mine": ((S.CLAIMED,), False, False),
    "in progress, mine": ((S.IN_PROGRESS,), False, False),
    "claimed or in progress, another's": ((S.CLAIMED, S.IN_PROGRESS), True, False),
    "awaiting sign-off": ((S.AWAITING_SIGNOFF,), False, False),
    "waiting": ((S.WAITING,), False, False),
    "mine, instance on hold": ((S.CLAIMED, S.IN_PROGRESS), False, True),
}
"""Heading → statuses that share a column, whether another person holds it, whether the instance is on hold."""

NOTES: Final[Mapping[str, str]] = {
    "complete": "With `requires_explicit_start`, complete answers `not_started` until the execution is in progress.",
    "signoff": "Whoever did part of the work gets `self_signoff`.",
}


def render(name: str, page: str) -> str:
    """The page with its generated parts as the code would have them."""
    parts = PAGES[name]
    return _MARKED.sub(lambda found: found[1] + "\n".join(parts[found[2]]()) + "\n" + found[4], page)


def statuses() -> Iterable[str]:
    """A Mermaid state diagram of an execution."""
    yield "```mermaid"
    yield "stateDiagram-v2"
    yield f"    [*] --> {S.PENDING.value}: enter"
    arrows: dict[tuple[S, S], list[str]] = {}
    for move in MOVES:
        words = arrows.setdefault((move.before, move.after), [])
        if move.word not in words:
            words.append(move.word)
    for (before, after), words in arrows.items():
        yield f"    {before.value} --> {after.value}: {', '.join(words)}"
    for last in dict.fromkeys(move.after for move in MOVES if move.after not in OPEN):
        yield f"    {last.value} --> [*]"
    yield "```"


def commands() -> Iterable[str]:
    """The status × command table, and what it cannot show."""
    yield "| command | " + " | ".join([*COLUMNS, "closed"]) + " |"
    yield "|---" * (len(COLUMNS) + 2) + "|"
    for action in Action:
        cells = [_cell(action, *column) for column in COLUMNS.values()]
        yield f"| {action.value} | " + " | ".join([*cells, "`execution_closed`"]) + " |"
    yield ""
    yield " ".join(NOTES.values())


def _cell(action: Action, of: tuple[S, ...], another: bool, on_hold: bool) -> str:
    found = {verdict(action, status, another_holds_it=another, on_hold=on_hold) for status in of}
    (answer,) = found
    return {OK: "yes", REPEAT: "holds already"}.get(answer, f"`{answer}`")


def refusals() -> Iterable[str]:
    """Codes of the core."""
    return _codes(REFUSALS)


def problems() -> Iterable[str]:
    """Codes of validation."""
    return _codes(PROBLEMS)


def _codes(table: Mapping[str, str]) -> Iterable[str]:
    yield "| code | what it says |"
    yield "|---|---|"
    for code in sorted(table):
        shown = re.sub(r"(?<!\{)\{(\w+)\}(?!\})", r"*\1*", table[code]).replace("{{", "{").replace("}}", "}")
        yield f"| `{code}` | {shown.replace('|', '&#124;')} |"


def permissions() -> Iterable[str]:
    """Permission × role."""
    yield "| permission | " + " | ".join(f"`{role}`" for role in ROLE_PERMISSIONS) + " |"
    yield "|---" * (len(ROLE_PERMISSIONS) + 1) + "|"
    for permission in sorted(PERMISSIONS):
        cells = ("yes" if permission in held else "" for held in ROLE_PERMISSIONS.values())
        yield f"| `{permission}` | " + " | ".join(cells) + " |"


PAGES: Final[Mapping[str, Mapping[str, Callable[[], Iterable[str]]]]] = {
    "engine.md": {
        "statuses": statuses,
        "commands": commands,
        "refusals": refusals,
        "problems": problems,
    },
    "drawing.md": {
        "categories": drawing.categories,
        "graph_fields": drawing.graph_fields,
        "step_fields": drawing.step_fields,
        "step_types": drawing.step_types,
        "decision_types": drawing.decision_types,
        "step_configs": drawing.step_configs,
        "edge_fields": drawing.edge_fields,
        "edge_types": drawing.edge_types,
        "edge_configs": drawing.edge_configs,
        "gate_fields": drawing.gate_fields,
        "gate_types": drawing.gate_types,
        "gate_configs": drawing.gate_configs,
    },
    "permissions.md": {"permissions": permissions},
}
"""Page → its generated parts, by the name in their marks."""


def main() -> None:
    """Bring the pages up to date."""
    for name in PAGES:
        page = DOCS / name
        page.write_text(render(name, page.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()

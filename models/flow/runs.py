"""Columns of whole numbers as short JSON: `5, 6, 7, 8, 20` is `[[5, 4, 1], 15]`.

The first entry counts from zero, every other from the number before it. An entry is a number (the difference), a list
`[difference, how many, step]` (a run that goes on by `step` from number to number), null (no number) or `[how many]`
of those.
"""

from collections.abc import Iterable, Iterator

Entry = int | list[int] | None

_WORTH_A_RUN = 4


def to_runs(column: Iterable[int | None]) -> list[Entry]:
    """Write a column."""
    entries: list[Entry] = []
    before = 0
    for piece in _pieces(list(column)):
        if piece is None:
            entries.append(None)
            continue
        first, count, step = piece
        entries.append([first - before, count, step] if count > 1 else first - before)
        before = first + (count - 1) * step
    return _fold_nulls(entries)


def _pieces(column: list[int | None]) -> Iterator[tuple[int, int, int] | None]:
    """Greedy runs (first, count, step) of at least `_WORTH_A_RUN` numbers, else single numbers."""
    at = 0
    while at < len(column):
        first = column[at]
        if first is None:
            yield None
            at += 1
            continue
        count, step = _run(column, at)
        if count < _WORTH_A_RUN:
            count, step = 1, 0
        yield first, count, step
        at += count


def _run(column: list[int | None], at: int) -> tuple[int, int]:
    """How many numbers from `at` on follow each other in equal steps, and that step."""
    first, second = column[at], column[at + 1] if at + 1 < len(column) else None
    if first is None or second is None:
        return 1, 0
    step, end = second - first, at + 2
    while end < len(column) and column[end] == first + (end - at) * step:
        end += 1
    return end - at, step


def _fold_nulls(entries: list[Entry]) -> list[Entry]:
    """Several nulls in a row become `[how many]`."""
    folded: list[Entry] = []
    for entry in entries:
        last = folded[-1] if folded else 0
        if entry is None and last is None:
            folded[-1] = [2]
        elif entry is None and isinstance(last, list) and len(last) == 1:
            last[0] += 1
        else:
            folded.append(entry)
    return folded


def from_runs(entries: Iterable[Entry]) -> list[int | None]:
    """Read a column back."""
    column: list[int | None] = []
    before = 0
    for entry in entries:
        match entry:
            case None:
                column.append(None)
            case [count]:
                column.extend([None] * count)
            case [difference, count, step]:
                column.extend(before + difference + number * step for number in range(count))
                before += difference + (count - 1) * step
            case int():
                before += entry
                column.append(before)
            case _:
                raise ValueError(f"not an entry of a column: {entry!r}")
    return column

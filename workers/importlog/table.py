"""Read a log from a delimited table (CSV and its relatives), one row per event or per execution."""

import codecs
import csv
import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from sys import intern
from typing import BinaryIO

from workers.importlog.columns import Columns, find_columns
from workers.importlog.log import Case, Event, Fields, LogError, Oddities
from workers.importlog.ordering import CaseBuilder, moments
from workers.importlog.timestamps import Reader, reader_for

Opener = Callable[[], BinaryIO]
Row = list[str]

_DELIMITERS = (",", ";", "\t", "|")
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def read_table(opened: Opener, fields: Fields, oddities: Oddities) -> Iterator[Case]:
    """Yield the cases of a table in the order of their first rows.

    Rows of one case may lie anywhere, so all rows are in memory; a row with a start and an end becomes two events.

    Raises:
        LogError: log_malformed, log_empty, log_column_unknown, log_no_case_id, log_no_activity.
    """
    csv.field_size_limit(1 << 28)
    try:
        rows = _parsed(_lines(opened, oddities), fields.delimiter)
        header = next(rows, [])
        if not any(title.strip() for title in header):
            raise LogError("log_empty", "The file has no rows.")
        columns = find_columns(header, fields)
        needed = range(len(header)) if fields.event_attributes else columns.places
        cases = _grouped(rows, header, columns, frozenset(needed), oddities)
    except (EOFError, gzip.BadGzipFile, zlib.error, UnicodeError) as error:
        raise LogError("log_malformed", f"The file is broken: {error}.") from error
    place = columns.timestamp
    times = [] if place is None else [row[place] for kept in cases.values() for row in kept]
    read_time = reader_for(times, fields.timestamp_format)
    yield from _cases(cases, header, columns, _Cells(header, columns, read_time, oddities, fields.event_attributes))


def _cases(cases: dict[str, list[Row]], header: Row, columns: Columns, read: "_Cells") -> Iterator[Case]:
    builder = CaseBuilder(read.oddities)
    for name, rows in cases.items():
        events = [event for row in rows for event in read.events(row)]
        first = dict(zip(header, rows[0], strict=False))
        attributes = {
            title.partition(":")[2]: value
            for title, value in first.items()
            if value and title.startswith("case:") and title != header[columns.case_id]
        }
        yield builder.build(name, events, attributes)


@dataclass(slots=True)
class _Cells:
    """Reads the cells of a row as events."""

    header: Row
    columns: Columns
    read_time: Reader
    oddities: Oddities
    keep_attributes: bool = True
    rows_read: int = 0

    def events(self, row: Row) -> Iterator[Event]:
        self.rows_read += 1
        activity = self._cell(row, self.columns.activity)
        if not activity:
            self.oddities.add("skipped: events without an activity", self._cell(row, self.columns.case_id))
            return
        resource = self._cell(row, self.columns.resource)
        attributes = dict(zip(self.header, row, strict=False)) if self.keep_attributes else {}
        # Start and end of one row belong together, whatever lies between them.
        instance = f"row {self.rows_read}" if self.columns.start is not None else ""
        begun, ended = self._time(row, self.columns.start), self._time(row, self.columns.timestamp)
        where, transition = self._cell(row, self.columns.case_id), self._cell(row, self.columns.lifecycle)
        for moment, lifecycle in moments(begun, ended, transition, where, self.oddities):
            yield Event(activity, lifecycle, moment, resource, instance, attributes)

    def _time(self, row: Row, place: int | None) -> datetime | None:
        text = self._cell(row, place)
        moment = self.read_time(text) if text else None
        if text and moment is None:
            self.oddities.add("timestamps that cannot be read", text)
        return moment

    def _cell(self, row: Row, place: int | None) -> str:
        return row[place] if place is not None and row[place].strip() else ""


def _lines(opened: Opener, oddities: Oddities) -> Iterator[str]:
    encoding = _encoding(opened)
    if encoding == "cp1252":
        oddities.add("files that are no UTF-8, read as Windows-1252")
    with opened() as raw, io.TextIOWrapper(raw, encoding=encoding, errors="replace", newline="") as text:
        for line in text:
            yield line.replace("\0", "")


def _parsed(lines: Iterator[str], delimiter: str) -> Iterator[Row]:
    head = next((line for line in lines if line.strip()), "")
    reader = csv.reader(chain([head], lines), delimiter=delimiter or _delimiter(head), strict=True)
    try:
        yield from reader
    except csv.Error as error:
        raise LogError("log_malformed", f"Line {reader.line_num} cannot be read: {error}.") from error


def _delimiter(head: str) -> str:
    """The delimiter that cuts the head into most titles."""
    return max(_DELIMITERS, key=lambda one: len(next(csv.reader([head], delimiter=one), [])))


def _encoding(opened: Opener) -> str:
    """UTF-8 or what the byte order mark says; a file that is no UTF-8 is taken for Windows Western European."""
    with opened() as raw:
        piece = raw.read(1 << 16)
        for mark, name in _BOMS:
            if piece.startswith(mark):
                return name
        decoder = codecs.getincrementaldecoder("utf-8")()
        try:
            while piece:
                decoder.decode(piece)
                piece = raw.read(1 << 20)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "cp1252"
    return "utf-8"


def _grouped(
    rows: Iterator[Row], header: Row, columns: Columns, needed: frozenset[int], oddities: Oddities
) -> dict[str, list[Row]]:
    """Rows by case, as wide as the header at least; after a case's first row only the cells that are needed."""
    cases: dict[str, list[Row]] = {}
    for number, row in enumerate(rows, start=2):
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(header):
            oddities.add("rows with too few or too many cells", f"row {number}")
        wide = [*row, *[""] * (len(header) - len(row))]
        name = wide[columns.case_id]
        if not name.strip():
            oddities.add("skipped: rows without a case id", f"row {number}")
        elif name in cases:
            cases[name].append([intern(cell) if place in needed else "" for place, cell in enumerate(wide)])
        else:
            cases[name] = [wide]
    return cases

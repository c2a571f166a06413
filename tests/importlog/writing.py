"""Write logs as files, for tests: the inverse of the readers, kept as plain as possible."""

import csv
import gzip
import io
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import quoteattr

from workers.importlog.log import Case, Event, Fields, Oddities
from workers.importlog.reader import read_cases


def write_xes(path: Path, cases: Sequence[Case]) -> Path:
    """A XES 1.0 document; a missing value has no attribute."""
    traces = "".join(_trace(case) for case in cases)
    document = f'<?xml version="1.0" encoding="UTF-8"?>\n<log xmlns="http://www.xes-standard.org/">{traces}</log>'
    return write(path, document)


def write_csv(path: Path, cases: Sequence[Case], header: Sequence[str], delimiter: str = ",") -> Path:
    """A table of case, activity, time, resource and lifecycle, under the given titles."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerow(header)
    for case in cases:
        writer.writerows([case.id, *_cells(event)] for event in case.events)
    return write(path, text.getvalue())


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    """A file of this text, gzipped where its name says so."""
    data = text.encode(encoding)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def read(path: Path, fields: Fields | None = None, oddities: Oddities | None = None) -> list[Case]:
    """All cases of a file."""
    return list(read_cases(path, fields or Fields(), oddities or Oddities()))


def _trace(case: Case) -> str:
    return f"<trace>{_string('concept:name', case.id)}{''.join(_event(event) for event in case.events)}</trace>"


def _event(event: Event) -> str:
    time = f"<date key='time:timestamp' value='{event.timestamp.isoformat()}'/>" if event.timestamp else ""
    named = (
        ("concept:name", event.activity),
        ("lifecycle:transition", event.lifecycle),
        ("org:resource", event.resource),
        ("concept:instance", event.instance),
    )
    return f"<event>{time}{''.join(_string(key, value) for key, value in named if value)}</event>"


def _string(key: str, value: str) -> str:
    return f"<string key='{key}' value={quoteattr(value)}/>"


def _cells(event: Event) -> list[str]:
    time = event.timestamp.isoformat() if event.timestamp else ""
    return [event.activity, time, event.resource, event.lifecycle]

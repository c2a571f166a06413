"""Open a log file of any supported kind: XES or a delimited table, plain or gzipped, told by its content."""

import codecs
import gzip
import re
import zlib
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import BinaryIO, cast

from workers.importlog.log import Case, Fields, LogError, Oddities
from workers.importlog.table import read_table
from workers.importlog.xes import read_xes

_NO_TEXT = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"%PDF", b"SQLite format", b"7z\xbc\xaf", b"PAR1", b"\x1f\x8b")
_BINARY = re.compile(rb"[\x01-\x08\x0e-\x1b]|\0\0")
"""What stands in pictures, programs and archives, and in no text; a table may have a stray NUL."""
_JSON = re.compile(rb"\[?\s*\{\s*[\"}]")
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_cases(path: Path, fields: Fields, oddities: Oddities, limit: int | None = None) -> Iterator[Case]:
    """Yield the first `limit` cases of a file; what was odd on the way is counted in `oddities`.

    Raises:
        LogError: log_not_found, log_format_unknown, log_malformed, log_empty, log_column_unknown, log_no_case_id,
            log_no_activity.
    """
    opened = partial(_open, path)
    head = _head(path).lstrip(b"\xef\xbb\xbf \t\r\n")
    if _is_xml(head):
        cases = _xes(path, fields, oddities, limit)
    elif _is_no_text(head):
        raise LogError("log_format_unknown", f"{path.name} is neither XES nor a delimited text; export it as one.")
    else:
        cases = islice(read_table(opened, fields, oddities), limit)
    found = events = 0
    for case in cases:
        found += 1
        events += len(case.events)
        yield case
    if not found:
        raise LogError("log_empty", f"{path.name} has no cases.")
    if not events and oddities.counts["skipped: events without an activity"]:
        raise LogError("log_no_activity", "No event names its activity; say which attribute does with --activity.")


def _xes(path: Path, fields: Fields, oddities: Oddities, limit: int | None) -> Iterator[Case]:
    with _open(path) as stream:
        yield from read_xes(stream, fields, oddities, limit)


def _is_no_text(head: bytes) -> bool:
    """True for what would be read as a table with one senseless title: archives, pictures, JSON."""
    if head.startswith(_UTF_16):
        return False
    return head.startswith(_NO_TEXT) or _BINARY.search(head) is not None or _JSON.match(head) is not None


def _is_xml(head: bytes) -> bool:
    text = head.replace(b"\0", b"").lstrip(b"\xff\xfe")  # UTF-16 has its marks and zeros
    return text.startswith(b"<")


def _head(path: Path) -> bytes:
    try:
        with _open(path) as stream:
            return stream.read(512)
    except FileNotFoundError as error:
        raise LogError("log_not_found", f"There is no file {path}.") from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise LogError("log_malformed", f"The compressed file is broken: {error}.") from error
    except OSError as error:
        raise LogError("log_not_found", f"{path} cannot be read: {error.strerror}.") from error


def _open(path: Path) -> BinaryIO:
    """The file's bytes, unpacked where they are gzipped."""
    with path.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
    return cast("BinaryIO", gzip.open(path, "rb")) if packed else path.open("rb")

"""Tables of any usual make are read; broken ones are refused with a stable code."""

import bz2
import gzip
import lzma
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.importlog.writing import read, write
from workers.importlog.log import Fields, LogError, Oddities
from workers.importlog.timestamps import reader_for


def test_rows_of_a_case_may_lie_anywhere(tmp_path: Path) -> None:
    text = "case,activity,time\n1,A,2026-01-01\n2,A,2026-01-01\n1,B,2026-01-02\n"
    cases = read(write(tmp_path / "l.csv", text))
    assert [(case.id, [one.activity for one in case.events]) for case in cases] == [("1", ["A", "B"]), ("2", ["A"])]


def test_start_and_end_of_a_row_become_two_events_that_belong_together(tmp_path: Path) -> None:
    text = (
        "Case ID;Activity;Resource;Start Timestamp;Complete Timestamp\n"
        "1;A;Bo;2026/01/01 10:00:00;2026/01/01 11:00:00\n"
        "1;B;;2026/01/01 12:00:00;\n"
        "1;C;;2026/01/01 14:00:00;2026/01/01 13:00:00\n"
    )
    oddities = Oddities()
    (case,) = read(write(tmp_path / "l.csv", text), oddities=oddities)
    told = [(one.activity, one.lifecycle, one.timestamp and one.timestamp.hour) for one in case.events]
    assert told == [("A", "start", 10), ("A", "complete", 11), ("B", "start", 12), ("C", "", 13)]
    assert case.events[0].instance == case.events[1].instance != ""
    assert oddities.counts == {"records that end before they start": 1}


def test_case_columns_describe_the_case(tmp_path: Path) -> None:
    text = "case:concept:name,concept:name,case:product,extra\n1,A,P-7,x\n"
    (case,) = read(write(tmp_path / "l.csv", text))
    assert case.attributes == {"product": "P-7"}
    assert case.events[0].attributes["extra"] == "x"
    (case,) = read(tmp_path / "l.csv", Fields(event_attributes=False))
    assert case.events[0].attributes == {}


def test_what_cannot_be_used_is_counted(tmp_path: Path) -> None:
    text = "case,activity,time\n\n1,A\n,B,2026-01-01\n1,,2026-01-01\n1,C,soon,x\n,,\n2,,\n"
    oddities = Oddities()
    first, second = read(write(tmp_path / "l.csv", text), oddities=oddities)
    assert [one.activity for one in first.events] == ["A", "C"]
    assert second.events == ()
    assert oddities.counts == {
        "rows with too few or too many cells": 2,
        "skipped: rows without a case id": 1,
        "skipped: events without an activity": 2,
        "timestamps that cannot be read": 1,
        "events without a timestamp": 2,
        "cases without events": 1,
    }


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_encodings_are_told_apart(encoding: str, tmp_path: Path) -> None:
    (case,) = read(write(tmp_path / "l.csv", "Fall-Nr;case;activity\n1;1;Prüfen\n", encoding))
    assert case.events[0].activity == "Prüfen"


def test_quoted_cells_may_hold_line_ends_and_delimiters(tmp_path: Path) -> None:
    (case,) = read(write(tmp_path / "l.csv", 'case,activity,user\n1,"A, B\nC","Bo ""B"""\n'))
    assert (case.events[0].activity, case.events[0].resource) == ("A, B\nC", 'Bo "B"')


def test_columns_can_be_named(tmp_path: Path) -> None:
    text = "activity,what,who,id\nx,Weld,Bo,7\n"
    (case,) = read(write(tmp_path / "l.csv", text), Fields(activity="what", resource="WHO"))
    assert (case.id, case.events[0].activity, case.events[0].resource) == ("7", "Weld", "Bo")


@pytest.mark.parametrize(
    ("text", "fields", "code"),
    [
        ("", Fields(), "log_empty"),
        ("\n\n", Fields(), "log_empty"),
        ("case,activity\n", Fields(), "log_empty"),
        ("foo,activity\n1,A\n", Fields(), "log_no_case_id"),
        ("case,foo\n1,A\n", Fields(), "log_no_activity"),
        ("case,activity\n1,\n", Fields(), "log_no_activity"),
        ("case,activity\n1,A\n", Fields(resource="by"), "log_column_unknown"),
        ('case,activity\n1,"A\n2,B\n', Fields(), "log_malformed"),
        ("just some text\nof no use\n", Fields(), "log_no_case_id"),
        ("PK\x03\x04rest", Fields(), "log_format_unknown"),
    ],
)
def test_a_broken_table_is_refused_with_its_code(text: str, fields: Fields, code: str, tmp_path: Path) -> None:
    path = write(tmp_path / "l.csv", text)
    with pytest.raises(LogError) as refused:
        read(path, fields)
    assert refused.value.code == code


@pytest.mark.parametrize(
    "content",
    [
        bz2.compress(b"<log/>"),
        lzma.compress(b"<log/>"),
        gzip.compress(gzip.compress(b"<log/>")),
        gzip.compress(b"l.xes" + b"\0" * 95 + b"0000644"),  # a tar begins with the padded name of its first file
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
        b'{"log": {"traces": []}}',
        b'[\n  {"case": 1, "activity": "A"}\n]',
    ],
    ids=["bz2", "xz", "gzip twice", "tar", "png", "object", "list"],
)
def test_what_is_no_text_or_no_table_is_refused_as_that(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_bytes(content)
    with pytest.raises(LogError, match="log_format_unknown"):
        read(tmp_path / "l.csv")


def test_a_stray_nul_is_left_out(tmp_path: Path) -> None:
    (case,) = read(write(tmp_path / "l.csv", "[case],[activity]\n1,We\0ld\n"))
    assert case.events[0].activity == "Weld"


def test_files_that_are_not_there_or_not_whole_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="log_not_found"):
        read(tmp_path / "none.csv")
    with pytest.raises(LogError, match="log_not_found"):
        read(tmp_path)
    path = write(tmp_path / "l.csv.gz", "case,activity\n" + "".join(f"{n * 7919},A\n" for n in range(5000)))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(LogError, match="log_malformed"):
        read(path)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["2026-04-03T10:00:00Z"], datetime(2026, 4, 3, 10, tzinfo=UTC)),
        (["2026-04-03 12:00:00+02:00"], datetime(2026, 4, 3, 10, tzinfo=UTC)),
        (["2026/04/03 10:00:00.000"], datetime(2026, 4, 3, 10, tzinfo=UTC)),
        (["03.04.2026 10:00"], datetime(2026, 4, 3, 10, tzinfo=UTC)),
        (["03/04/2026 10:00:00"], datetime(2026, 4, 3, 10, tzinfo=UTC)),
        (["04/03/2026 10:00:00", "04/13/2026 10:00:00"], datetime(2026, 4, 3, 10, tzinfo=UTC)),
        (["04/03/2026 10:00 AM", "12/31/2026 01:00 PM"], datetime(2026, 4, 3, 10, tzinfo=UTC)),
        (["03-Apr-2026 10:00:00"], datetime(2026, 4, 3, 10, tzinfo=UTC)),
        (["1775210400"], datetime(2026, 4, 3, 10, tzinfo=UTC)),
        (["1775210400000"], datetime(2026, 4, 3, 10, tzinfo=UTC)),
    ],
)
def test_a_column_of_times_has_one_style(texts: list[str], expected: datetime) -> None:
    assert reader_for(texts)(texts[0]) == expected

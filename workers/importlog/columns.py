"""Which column of a table holds the case, the activity, the time, the person and the lifecycle."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from workers.importlog.log import Fields, LogError

_CASE = (
    "caseconceptname", "caseid", "case", "traceid", "trace", "casenumber", "caseno", "casekey", "caseidentifier",
    "processinstance", "processinstanceid", "instanceid", "srnumber", "incidentid", "incidentnumber", "ticketid",
    "ticket", "orderid", "ordernumber", "workorder", "serialnumber", "serial", "id",
)  # fmt: skip
_ACTIVITY = (
    "conceptname", "activity", "activityname", "activityid", "eventname", "event", "eventid", "task", "taskname",
    "step", "stepname", "operation", "action", "eventtype", "status", "state", "name",
)  # fmt: skip
_TIMESTAMP = (
    "timetimestamp", "timestamp", "completetimestamp", "completiontimestamp", "completetime", "completiontime",
    "endtimestamp", "endtime", "enddatetime", "finishtimestamp", "finishtime", "eventtime", "eventtimestamp",
    "datetime", "time", "date", "end", "enddate", "completed", "finished", "changedatetime", "eventdate",
)  # fmt: skip
_START = (
    "starttimestamp",
    "starttime",
    "startdatetime",
    "begintimestamp",
    "begintime",
    "start",
    "startdate",
    "started",
)
_RESOURCE = (
    "orgresource", "resource", "resourceid", "resourcename", "user", "username", "userid", "person", "employee",
    "operator", "assignee", "performer", "originator", "agent", "actor", "worker", "completedby", "owner",
)  # fmt: skip
_LIFECYCLE = ("lifecycletransition", "lifecycle", "transition", "eventtype", "lifecyclestate", "substatus", "substate")


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Positions in a row; None where the table has no such column. `start` stands beside the time of completion."""

    case_id: int
    activity: int
    timestamp: int | None
    start: int | None
    resource: int | None
    lifecycle: int | None

    @property
    def places(self) -> tuple[int, ...]:
        """All that the table has of these."""
        found = (self.case_id, self.activity, self.timestamp, self.start, self.resource, self.lifecycle)
        return tuple(place for place in found if place is not None)


def find_columns(header: Sequence[str], fields: Fields) -> Columns:
    """Find the columns by the names given, else by the usual names.

    Raises:
        LogError: log_column_unknown, log_no_case_id, log_no_activity.
    """
    taken: set[int] = set()

    def find(name: str, usual: Sequence[str]) -> int | None:
        place = _named(header, name) if name else _usual(header, usual, taken)
        if place is not None:
            taken.add(place)
        return place

    case_id = find(fields.case_id, _CASE)
    activity = find(fields.activity, _ACTIVITY)
    timestamp = find(fields.timestamp, _TIMESTAMP)
    start = find(fields.start_timestamp, _START)
    if timestamp is None:
        timestamp, start = start, None
    resource = find(fields.resource, _RESOURCE)
    lifecycle = find(fields.lifecycle, _LIFECYCLE)
    if case_id is None:
        raise LogError("log_no_case_id", f"No column names the case; name it with --case-id. Found: {_list(header)}.")
    if activity is None:
        raise LogError(
            "log_no_activity", f"No column names the activity; name it with --activity. Found: {_list(header)}."
        )
    return Columns(
        case_id=case_id,
        activity=activity,
        timestamp=timestamp,
        start=start,
        resource=resource,
        lifecycle=lifecycle,
    )


def _named(header: Sequence[str], name: str) -> int:
    for same in (str, _plain):
        for place, title in enumerate(header):
            if same(title) == same(name):
                return place
    raise LogError("log_column_unknown", f"There is no column {name!r}. Found: {_list(header)}.")


def _usual(header: Sequence[str], usual: Sequence[str], taken: set[int]) -> int | None:
    plain = [_plain(title) for title in header]
    found = (place for one in usual for place, title in enumerate(plain) if title == one and place not in taken)
    return next(found, None)


def _plain(title: str) -> str:
    return re.sub(r"[\W_]+", "", title.casefold())


def _list(header: Sequence[str]) -> str:
    return ", ".join(repr(title) for title in header[:40]) or "nothing"

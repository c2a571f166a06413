"""The state on its way into the next run, or out of an activity: compact JSON for 10,000 subjects under 512 KiB.

Tokens that are alike are one cohort. What differs from subject to subject (assignee, deadlines) stands beside it in
columns, each written as runs of numbers; ids that are UUIDs are packed as bytes. Belongs here: that form and nothing
else. A new form gets a new `"v"`, and `restore` goes on reading the old one.
"""

import json
from base64 import b64decode, b64encode, b85decode, b85encode
from bz2 import compress, decompress
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from models.flow.runs import from_runs, to_runs
from models.flow.state import Arrival, Call, Child, Ref, State, Token
from models.flow.status import ExecutionStatus, InstanceStatus

VERSION = 2

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def carry(state: State) -> dict[str, Any]:
    """The state as JSON-ready values; `restore` gives an equal one back."""
    users = {user: None for token in state.tokens.values() for user in (token.assignee, token.done_by) if user}
    numbers = {user: number for number, user in enumerate(users)}
    owners = {token.owner: None for token in state.tokens.values() if token.owner}
    numbers |= {user: len(numbers) + number for number, user in enumerate(o for o in owners if o not in numbers)}
    marks = {marks: number for number, marks in enumerate(dict.fromkeys(t.marks for t in state.tokens.values()))}
    incidents = {ref: token.incident for ref, token in state.tokens.items() if token.incident}
    codes: dict[str, list[Ref]] = {}
    for ref, token in state.tokens.items():
        if token.incident_code:
            codes.setdefault(token.incident_code, []).append(ref)
    data = {
        "v": VERSION,
        "instance_id": state.instance_id,
        "status": state.status.value,
        "seq": state.seq,
        "held_at": _to_number(state.held_at),
        "process": state.process_id,
        "finished": dict(state.finished),
        "subjects": state.subjects,
        "users": _pack_ids(numbers),
        "marks": [[_to_number(mark) for mark in one] for one in marks],
        "tokens": _tokens(state.tokens, numbers, marks),
        "hops": [[*place, to_runs(ref.subject for ref in refs)] for place, refs in _by_place(state.hops).items()],
        "incidents": [
            [*place, to_runs(ref.subject for ref in refs), _pack_ids([incidents[ref] for ref in refs])]
            for place, refs in _by_place(incidents).items()
        ],
        "incident_codes": [
            [code, *place, to_runs(ref.subject for ref in refs)]
            for code, stopped in codes.items()
            for place, refs in _by_place(stopped).items()
        ],
        "children": _children(state.children),
        "arrived": [[subject, *map(list, arrivals)] for subject, arrivals in sorted(state.arrived.items())],
        "calls": [[*ref, call.call_id, call.action, call.attempt, call.outcome] for ref, call in state.calls.items()],
    }
    return data if len(state.tokens) < MANY else _compressed(data)


MANY = 1_000
"""Open executions from which on it is worth a look whether the form is large."""
LARGE = 64 * 1024
"""Characters of JSON from which on it travels compressed, in whatever version."""


def _compressed(data: dict[str, Any]) -> dict[str, Any]:
    text = json.dumps(data, separators=(",", ":")).encode()
    return data if len(text) < LARGE else {"bz2": b85encode(compress(text)).decode()}


def restore(data: Mapping[str, Any]) -> State:
    """The state that `carry` wrote.

    Raises:
        ValueError: where the data is of an unknown version.
    """
    if "bz2" in data:
        data = json.loads(decompress(b85decode(data["bz2"])))
    if data.get("v") == 1:
        data = _from_version_1(data)
    if data.get("v") != VERSION:
        raise ValueError(f"carried state of version {data.get('v')!r}; this release reads {VERSION} and older")
    incidents = {
        ref: identity
        for *place, subjects, ids in data["incidents"]
        for ref, identity in zip(_refs(place, subjects), _unpack_ids(ids), strict=True)
    }
    codes = {ref: code for code, *place, subjects in data.get("incident_codes", ()) for ref in _refs(place, subjects)}
    marks = [tuple(_EPOCH + number * _MICROSECOND for number in one) for one in data["marks"]]
    tokens = dict(_read_tokens(data["tokens"], _unpack_ids(data["users"]), marks, incidents, codes))
    busy: dict[tuple[str, str], int] = {}
    forked: dict[int, tuple[Ref, ...]] = {}
    for ref, token in tokens.items():
        if ref.branch:
            forked[ref.subject] = tuple(sorted((*forked.get(ref.subject, ()), ref)))
        if token.status is not ExecutionStatus.WAITING:
            place = ref.step, token.lot
            busy[place] = busy.get(place, 0) + 1
    return State(
        instance_id=data["instance_id"],
        status=InstanceStatus(data["status"]),
        seq=data["seq"],
        tokens=tokens,
        hops={ref: None for *place, subjects in data["hops"] for ref in _refs(place, subjects)},
        children=_read_children(data["children"]),
        finished=dict(data["finished"]),
        held_at=_to_time(data["held_at"]),
        process_id=data.get("process", ""),
        subjects=data["subjects"],
        arrived={subject: tuple(Arrival(*one) for one in arrivals) for subject, *arrivals in data["arrived"]},
        calls={
            Ref(*place): Call(call_id=call_id, action=action, attempt=attempt, outcome=outcome)
            for *place, call_id, action, attempt, outcome in data["calls"]
        },
        busy=busy,
        forked=forked,
    )


def _from_version_1(data: Mapping[str, Any]) -> dict[str, Any]:
    """What the first form did not know has its default; the number of subjects is then at least what is open."""
    rows = []
    highest = -1
    for *alike, subjects, assignee, done_by, due, limit in data["tokens"]:
        column = from_runs(subjects)
        highest = max([highest, *(subject for subject in column if subject is not None)])
        nothing = to_runs([None] * len(column))
        rows.append([*alike, "", 0, 0, subjects, assignee, done_by, due, limit, nothing, nothing])
    unknown = {"marks": [[]], "arrived": [], "calls": [], "subjects": highest + 1}
    return {**data, **unknown, "v": 2, "tokens": rows}


def _tokens(
    tokens: Mapping[Ref, Token], users: Mapping[str, int], marks: Mapping[tuple[datetime, ...], int]
) -> list[list[Any]]:
    cohorts: dict[tuple[Any, ...], list[tuple[Ref, Token]]] = {}
    for ref, token in sorted(tokens.items(), key=lambda pair: pair[0]):
        ways = (token.result, token.forced, token.overdue, token.lot, marks[token.marks], token.mark)
        alike = (*ref[1:], token.status.value, *ways)
        cohorts.setdefault(alike, []).append((ref, token))
    return [
        [
            *alike,
            to_runs(ref.subject for ref, _ in members),
            to_runs(None if token.assignee is None else users[token.assignee] for _, token in members),
            to_runs(None if token.done_by is None else users[token.done_by] for _, token in members),
            to_runs(_to_number(token.due_at) for _, token in members),
            to_runs(_to_number(token.limit_at) for _, token in members),
            to_runs(_to_number(token.wake_at) for _, token in members),
            to_runs(None if token.owner is None else users[token.owner] for _, token in members),
        ]
        for alike, members in cohorts.items()
    ]


def _read_tokens(
    rows: Iterable[list[Any]],
    users: list[str],
    marks: list[tuple[datetime, ...]],
    incidents: Mapping[Ref, str],
    codes: Mapping[Ref, str],
) -> Iterable[tuple[Ref, Token]]:
    for step, visit, branch, status, result, forced, overdue, lot, marked, mark, subjects, *columns in rows:
        refs = _refs((step, visit, branch), subjects)
        for ref, assignee, done_by, due, limit, wake, owner in zip(refs, *map(from_runs, columns), strict=True):
            yield (
                ref,
                Token(
                    status=ExecutionStatus(status),
                    assignee=None if assignee is None else users[assignee],
                    done_by=None if done_by is None else users[done_by],
                    result=result,
                    forced=forced,
                    due_at=_to_time(due),
                    limit_at=_to_time(limit),
                    overdue=overdue,
                    incident=incidents.get(ref),
                    incident_code=codes.get(ref, ""),
                    owner=None if owner is None else users[owner],
                    wake_at=_to_time(wake),
                    marks=marks[marked],
                    mark=mark,
                    lot=lot,
                ),
            )


def _children(children: Mapping[str, Child]) -> list[list[Any]]:
    cohorts: dict[tuple[Any, ...], list[tuple[str, Child]]] = {}
    for child_id, child in children.items():
        alike = (*child.ref[1:], child.requirement, child.started)
        cohorts.setdefault(alike, []).append((child_id, child))
    return [
        [*alike, to_runs(child.ref.subject for _, child in members), _pack_ids([child_id for child_id, _ in members])]
        for alike, members in cohorts.items()
    ]


def _read_children(rows: Iterable[list[Any]]) -> dict[str, Child]:
    return {
        child_id: Child(ref=ref, requirement=requirement, started=started)
        for *place, requirement, started, subjects, ids in rows
        for ref, child_id in zip(_refs(place, subjects), _unpack_ids(ids), strict=True)
    }


def _by_place(refs: Iterable[Ref]) -> dict[tuple[str, int, str], list[Ref]]:
    places: dict[tuple[str, int, str], list[Ref]] = {}
    for ref in refs:
        places.setdefault((ref.step, ref.visit, ref.branch), []).append(ref)
    return places


def _refs(place: Iterable[Any], subjects: list[Any]) -> list[Ref]:
    step, visit, branch = place
    return [Ref(subject, step, visit, branch) for subject in from_runs(subjects) if subject is not None]


def _pack_ids(ids: Iterable[str]) -> Any:
    """UUIDs in their usual spelling as one base64 text; any other name forbids it for the whole list."""
    found = list(ids)
    if not found:
        return []
    try:
        packed = [UUID(one) for one in found]
    except ValueError:
        return found
    if any(str(uuid) != one for uuid, one in zip(packed, found, strict=True)):
        return found
    return b64encode(b"".join(uuid.bytes for uuid in packed)).decode()


def _unpack_ids(packed: Any) -> list[str]:
    if isinstance(packed, list):
        return packed
    raw = b64decode(packed)
    return [str(UUID(bytes=raw[at : at + 16])) for at in range(0, len(raw), 16)]


def _to_number(moment: datetime | None) -> int | None:
    return None if moment is None else (moment - _EPOCH) // _MICROSECOND


def _to_time(number: int | None) -> datetime | None:
    return None if number is None else _EPOCH + number * _MICROSECOND

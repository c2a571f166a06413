"""What an operator of the system sees of an instance in Temporal's Web UI: Markdown details and search attributes.

No personal data: search attributes bypass payload codecs, and details are shown to whoever may open the Web UI.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from temporalio.common import SearchAttributeKey, SearchAttributeUpdate

from activities.contract import InstanceInfo
from models.flow.graph import Graph, Step, StepType
from models.flow.state import State
from models.flow.status import ExecutionStatus as S

_ORDER = (S.PENDING, S.CLAIMED, S.IN_PROGRESS, S.AWAITING_SIGNOFF, S.WAITING)

TENANT = SearchAttributeKey.for_keyword("GateworkTenant")
PROCESS = SearchAttributeKey.for_keyword("GateworkProcess")
CATEGORY = SearchAttributeKey.for_keyword("GateworkCategory")
IDENTIFIER = SearchAttributeKey.for_keyword("GateworkIdentifier")
SITE = SearchAttributeKey.for_keyword("GateworkSite")
STATUS = SearchAttributeKey.for_keyword("GateworkStatus")
STEPS = SearchAttributeKey.for_keyword_list("GateworkSteps")
OVERDUE = SearchAttributeKey.for_bool("GateworkOverdue")


def fixed_attributes(info: InstanceInfo) -> list[SearchAttributeUpdate[Any]]:
    """What never changes about an instance; upserted once."""
    return [
        TENANT.value_set(info.tenant_key),
        PROCESS.value_set(info.process_key),
        CATEGORY.value_set(info.category),
        IDENTIFIER.value_set(info.identifier),
        SITE.value_set(info.site),
    ]


def moving_attributes(state: State, graph: Graph) -> dict[str, Any]:
    """Name → value of what changes as the instance moves; compared, so that it is upserted only on change."""
    present = dict.fromkeys(ref.step for ref in state.tokens)
    return {
        STATUS.name: state.status.value,
        STEPS.name: tuple(key for key in graph.steps if key in present),
        OVERDUE.name: any(token.overdue for token in state.tokens.values()),
    }


def may_wait(changed: Mapping[str, Any]) -> bool:
    """Whether an upsert may come a little later: steps change all the time, and nobody is alarmed by them."""
    return STEPS.name in changed and len(changed) == 1 and bool(changed[STEPS.name])


def updates(changed: Mapping[str, Any]) -> list[SearchAttributeUpdate[Any]]:
    """The upserts for changed attributes of `moving_attributes`."""
    found: list[SearchAttributeUpdate[Any]] = []
    if STATUS.name in changed:
        found.append(STATUS.value_set(changed[STATUS.name]))
    if STEPS.name in changed:
        found.append(STEPS.value_set(list(changed[STEPS.name])))
    if OVERDUE.name in changed:
        found.append(OVERDUE.value_set(changed[OVERDUE.name]))
    return found


def markdown(info: InstanceInfo, state: State, graph: Graph) -> str:
    """Counts per step and what blocks, at most 20,000 bytes."""
    lines = [
        f"### {info.identifier}: {_plain(info.process_name)}",
        f"{_plain(info.name)}  " if info.name else "",
        f"**{state.status.value.replace('_', ' ')}**, {len(state.tokens)} open, journal at {state.seq}",
        "",
        *_open(state, graph),
        *_blockers(state, graph),
    ]
    return "\n".join(lines)[:19_000]


_MARKS = re.compile(r"([\\`*_\[\]<>#~&!])")


def _plain(name: str) -> str:
    """What people called something, shown as they wrote it and never as Markdown, links or pictures."""
    return _MARKS.sub(r"\\\1", " ".join(name.split()))


def _open(state: State, graph: Graph) -> list[str]:
    counts: dict[str, dict[S, int]] = {}
    overdue: dict[str, int] = {}
    rings: dict[str, datetime] = {}
    for ref, token in state.tokens.items():
        row = counts.setdefault(ref.step, {})
        row[token.status] = row.get(token.status, 0) + 1
        overdue[ref.step] = overdue.get(ref.step, 0) + token.overdue
        if token.wake_at is not None:
            rings[ref.step] = min(rings.get(ref.step, token.wake_at), token.wake_at)
    if not counts:
        ends = ", ".join(f"{number} {status}" for status, number in sorted(state.finished.items()))
        return [f"No open execution. Ends: {ends or 'none'}."]
    return [
        f"- **{_plain(step.name)}**: {_told(counts[key])}"
        + (f", {overdue[key]} overdue" if overdue[key] else "")
        + _awaited(step, rings.get(key))
        for key, step in graph.steps.items()
        if key in counts
    ]


def _told(counts: dict[S, int]) -> str:
    """`3 pending, 1 waiting`: only what there is, for the panel is narrow."""
    return ", ".join(f"{counts[status]} {status.value.replace('_', ' ')}" for status in _ORDER if status in counts)


def _awaited(step: Step, rings: datetime | None) -> str:
    """What an engine's step waits for, after the counts."""
    if rings is not None:
        return f"; the timer rings at {rings:%Y-%m-%d %H:%M} UTC"
    if step.step_type == StepType.MESSAGE:
        return f"; waits for the event {_plain(step.config['event']['name'])}"
    if step.step_type == StepType.AUTOMATIC:
        return f"; action {_plain(step.config['action']['type'])}"
    return ""


def _blockers(state: State, graph: Graph) -> list[str]:
    stuck: dict[tuple[str, str], list[int]] = {}
    for ref, token in state.tokens.items():
        if token.incident:
            stuck.setdefault((ref.step, token.incident_code), []).append(ref.subject + 1)
    lines = [
        f"- **Incident**{f' `{code}`' if code else ''} at {_plain(graph.name_of(step))}, {_numbered(subjects)}"
        for (step, code), subjects in list(stuck.items())[:20]
    ]
    lines += [
        f"- Child `{child_id}` runs for {_plain(graph.name_of(child.ref.step))}"
        for child_id, child in list(state.children.items())[:20]
    ]
    return ["", *lines] if lines else []


def _numbered(subjects: list[int]) -> str:
    """`subject 3`, or `3 subjects: 1, 2, 7`, the first twenty of them."""
    if len(subjects) == 1:
        return f"subject {subjects[0]}"
    first = ", ".join(map(str, sorted(subjects)[:20]))
    return f"{len(subjects)} subjects: {first}" + (", …" if len(subjects) > 20 else "")

"""What an operator of the system sees of an instance in Temporal's Web UI: Markdown details and search attributes.

No personal data: search attributes bypass payload codecs, and details are shown to whoever may open the Web UI.
"""

from collections.abc import Mapping
from typing import Any

from temporalio.common import SearchAttributeKey, SearchAttributeUpdate

from activities.contract import InstanceInfo
from models.flow.graph import Graph
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
        f"### {info.identifier}: {info.process_name}",
        f"{info.name}  " if info.name else "",
        f"**{state.status.value.replace('_', ' ')}**, {len(state.tokens)} open, journal at {state.seq}",
        "",
        *_open(state, graph),
        *_blockers(state, graph),
    ]
    return "\n".join(lines)[:19_000]


def _open(state: State, graph: Graph) -> list[str]:
    counts: dict[str, dict[S, int]] = {}
    overdue: dict[str, int] = {}
    for ref, token in state.tokens.items():
        row = counts.setdefault(ref.step, {})
        row[token.status] = row.get(token.status, 0) + 1
        overdue[ref.step] = overdue.get(ref.step, 0) + token.overdue
    if not counts:
        ends = ", ".join(f"{number} {status}" for status, number in sorted(state.finished.items()))
        return [f"No open execution. Ends: {ends or 'none'}."]
    return [
        f"- **{step.name}**: {_told(counts[key])}" + (f", {overdue[key]} overdue" if overdue[key] else "")
        for key, step in graph.steps.items()
        if key in counts
    ]


def _told(counts: dict[S, int]) -> str:
    """`3 pending, 1 waiting`: only what there is, for the panel is narrow."""
    return ", ".join(f"{counts[status]} {status.value.replace('_', ' ')}" for status in _ORDER if status in counts)


def _blockers(state: State, graph: Graph) -> list[str]:
    stuck = [(ref, token) for ref, token in state.tokens.items() if token.incident][:20]
    lines = [f"- **Incident** at {graph.name_of(ref.step)}, subject {ref.subject + 1}" for ref, _ in stuck]
    lines += [
        f"- Child `{child_id}` runs for {graph.name_of(child.ref.step)}"
        for child_id, child in list(state.children.items())[:20]
    ]
    return ["", *lines] if lines else []

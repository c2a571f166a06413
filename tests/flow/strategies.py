"""Random valid graphs, random JSON, and the depth at which the laws are checked.

`HYPOTHESIS_PROFILE=nightly` walks 20,000 examples of each law instead of 500, or as many as `HYPOTHESIS_EXAMPLES` says.
`HYPOTHESIS_PROFILE=mutation` walks the same twenty at every run and does not look for the smallest one that fails: it
only asks whether a mutant is seen.
"""

import os
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from models.flow.validate import problems_of
from tests.flow.scene import Json, edge, end, gate, step

LAW = settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
match os.environ.get("HYPOTHESIS_PROFILE"):
    case "nightly":
        LAW = settings(LAW, max_examples=int(os.environ.get("HYPOTHESIS_EXAMPLES", "20000")))
    case "mutation":
        LAW = settings(LAW, max_examples=20, derandomize=True, database=None, phases=[Phase.explicit, Phase.generate])

WORDS = ("Repair", "use as is", "return", "maybe")
PILOT = {"key": "pilot", "requirement_type": "child_workflow", "name": "Pilot"}

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
"""Any JSON value, with the infinities and NaN that Python's reader lets through."""


@st.composite
def raw_graphs(draw: st.DrawFn) -> Json:
    """A valid graph: a line of steps with loops back and forth, ending in one or two ends, or at the end of the order.

    The default way always leads on, so that every step is reached and leads to an end; all else is chance.
    """
    count = draw(st.integers(1, 5))
    keys = [f"s{number}" for number in range(count)]
    ends = draw(st.sampled_from([[], ["end"], ["end", "scrap"]])) if count > 1 else ["end"]
    everything = keys + ends
    steps: list[Json] = []
    edges: list[Json] = []
    for number, key in enumerate(keys):
        onward = everything[number + 1] if number + 1 < len(everything) else None
        if onward is not None and draw(st.integers(0, 4)) == 0:
            forked_steps, forked_edges = draw(_forked(key, onward, ends))
            steps += forked_steps
            edges += forked_edges
            continue
        if onward is not None and draw(st.integers(0, 4)) == 0:
            steps.append(draw(_engines(key)))
            edges.append(edge(key, onward))
            continue
        decides = onward is not None and draw(st.booleans())
        steps.append(draw(_steps(key, decides=decides)))
        if decides and onward is not None:
            steps[-1]["decision_type"] = draw(st.sampled_from(["", "manual", "qa_result", "expression"]))
            if steps[-1]["decision_type"] in {"qa_result", "expression"}:
                steps[-1]["requires_operator_completion"] = draw(st.booleans())
            edges += draw(_decision_edges(key, onward, everything, steps[-1]["decision_type"]))
        elif onward is not None and draw(st.booleans()):
            edges.append(edge(key, onward))
        others = [other for other in everything if other != key]
        if steps[-1].get("max_visits") and others and draw(st.booleans()):
            edges.append(edge(key, draw(st.sampled_from(others)), "escalation"))
            if steps[-1].get("config") and draw(st.booleans()):
                steps[-1]["config"]["escalation"]["levels"].append({"after": "PT6H", "action": "route"})
    steps += [draw(_ends(key)) for key in ends]
    if ends == ["end", "scrap"]:
        edges += _ways_to_scrap(edges, keys)
    return {"steps": steps, "edges": edges, **draw(st.sampled_from(PROCESS_SETTINGS))}


PROCESS_SETTINGS: tuple[Json, ...] = ({}, {}, {"config": {"deviation": {"second_person": ["skip", "move"]}}})
"""What holds for the whole process; force is left to one person alone, who leads whatever is stuck to its end."""

ENGINES: tuple[Json, ...] = (
    {"step_type": "timer", "config": {"timer": {"duration": "PT2H"}}},
    {"step_type": "timer", "config": {"timer": {"until": "context.when"}}},
    {"step_type": "message", "config": {"event": {"name": "paid", "key": "subject.identifier"}}},
    {"step_type": "automatic", "config": {"action": {"type": "webhook", "url": "https://erp.example/"}}},
    {"step_type": "automatic", "config": {"action": {"type": "expression", "set": {"total": "1"}}}},
    {"step_type": "automatic", "config": {"action": {"type": "start_process", "process": "inspection"}}},
    {"step_type": "automatic", "config": {"action": {"type": "activity", "activity": "press"}}},
    {"step_type": "automatic", "config": {"action": {"type": "erp", "connector": "sap"}}},
)


@st.composite
def _engines(draw: st.DrawFn, key: str) -> Json:
    """A step of the engine's own."""
    return step(key, **draw(st.sampled_from(ENGINES)), max_visits=draw(st.sampled_from([None, None, 2])))


@st.composite
def _forked(draw: st.DrawFn, key: str, onward: str, ends: list[str], depth: int = 1) -> tuple[list[Json], list[Json]]:
    """A fork with two or three branches of up to two steps each, perhaps with a fork inside, and its join."""
    join, branches = f"{key}j", draw(st.integers(2, 3))
    require = draw(st.sampled_from(["all", "all", 1, 2]))
    steps = [step(key, step_type="fork"), step(join, step_type="join", config={"join": {"require": require}})]
    edges = [edge(join, onward)]
    for number in range(branches):
        line = [f"{key}{'abc'[number]}{place}" for place in range(draw(st.integers(0 if number == 0 else 1, 2)))]
        for here, following in zip([key, *line], [*line, join], strict=True):
            if here == key:
                edges.append(edge(key, following))
            elif depth and draw(st.integers(0, 5)) == 0:
                inner_steps, inner_edges = draw(_forked(here, following, ends, depth - 1))
                steps += inner_steps
                edges += inner_edges
            elif draw(st.integers(0, 3)) == 0:
                steps.append(draw(_engines(here)))
                edges.append(edge(here, following))
            else:
                decides = draw(st.booleans())
                steps.append(draw(_steps(here, decides=decides)))
                edges.append(edge(here, following))
                edges += [edge(here, draw(st.sampled_from([*line, *ends])), "alternate")] if decides else []
    return steps, edges


@st.composite
def _steps(draw: st.DrawFn, key: str, *, decides: bool) -> Json:
    chance = st.sampled_from([False, False, True])
    settings: Json = {
        "is_decision_point": decides,
        "requires_operator_completion": decides or not draw(chance),
        "requires_explicit_start": draw(chance),
        "requires_batch_completion": draw(chance),
        "requires_qa_signoff": draw(chance),
        "max_visits": draw(st.sampled_from([None, None, 1, 2])),
        "expected_duration": draw(st.sampled_from([None, "PT1H", "P1D"])),
        "escalate_on_overdue": draw(chance),
        "requirements": draw(_requirements()),
    }
    if settings["expected_duration"] and draw(st.booleans()):
        settings["config"] = {"escalation": draw(_policies())}
    return step(key, **settings)


def _policies() -> st.SearchStrategy[Json]:
    """Reminders, and levels that change something; the one that routes comes where the edge is drawn."""
    levels: list[Json] = [
        {"action": "notify", "to": ["owner"]},
        {"after": "PT2H", "action": "raise_priority", "priority": 5},
        {"after": "PT4H", "action": "reassign", "to": ["user:bob"]},
    ]
    return st.builds(
        lambda reminders, count: {"remind_before": reminders, "levels": list(levels[:count])},
        st.sampled_from([[], ["PT30M"], ["P2D", "PT10M"]]),
        st.integers(0, 3),
    )


def _requirements() -> st.SearchStrategy[list[Json]]:
    return st.sampled_from([[], [], [gate()], [gate(is_mandatory=False)], [PILOT]])


@st.composite
def _ends(draw: st.DrawFn, key: str) -> Json:
    return end(
        key,
        "scrapped" if key == "scrap" else draw(st.sampled_from(["", "shipped"])),
        requirements=draw(_requirements()),
        requires_qa_signoff=draw(st.sampled_from([False, False, True])),
        requires_batch_completion=draw(st.sampled_from([False, False, True])),
        requires_operator_completion=draw(st.sampled_from([False, True, True])),
    )


@st.composite
def _decision_edges(draw: st.DrawFn, key: str, onward: str, everything: list[str], kind: str) -> list[Json]:
    """One way on, and one to three others that lead anywhere, also back to the same step."""
    if kind == "expression":
        ways = draw(st.lists(st.sampled_from(everything), max_size=2, unique=True))
        return [edge(key, onward)] + [edge(key, to, "alternate", f"context.n == {n}") for n, to in enumerate(ways)]
    straight = draw(st.sampled_from(["default", "alternate"]))
    other = "alternate" if straight == "default" else "default"
    anywhere = st.sampled_from(everything)
    drawn = [edge(key, onward, straight), edge(key, draw(anywhere), other)]
    words = draw(st.lists(st.sampled_from(WORDS), max_size=2, unique=True))
    return drawn + [edge(key, draw(anywhere), draw(st.sampled_from([straight, other])), word) for word in words]


def _ways_to_scrap(edges: list[Json], keys: list[str]) -> list[Json]:
    """The second end needs a way to it; the last decision gets one, under a word of its own."""
    deciding = [key for key in keys if any(e["from_step"] == key and e["edge_type"] == "alternate" for e in edges)]
    return [edge(deciding[-1], "scrap", "alternate", "scrap it")] if deciding else []


def valid_graphs() -> st.SearchStrategy[Json]:
    """Those that can be published, which are nearly all."""
    return raw_graphs().filter(lambda raw: problems_of(raw) == ())

"""Random valid graphs, random JSON, and the depth at which the laws are checked.

`HYPOTHESIS_PROFILE=nightly` walks 20,000 examples of each law instead of 500.
"""

import os
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from models.flow.validate import problems_of
from tests.flow.scene import Json, edge, end, gate, step

EXAMPLES = 20_000 if os.environ.get("HYPOTHESIS_PROFILE") == "nightly" else 500
LAW = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])

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
        decides = onward is not None and draw(st.booleans())
        steps.append(draw(_steps(key, decides=decides)))
        if decides and onward is not None:
            edges += draw(_decision_edges(key, onward, everything))
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
    return {"steps": steps, "edges": edges}


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
def _decision_edges(draw: st.DrawFn, key: str, onward: str, everything: list[str]) -> list[Json]:
    """One way on, and one to three others that lead anywhere, also back to the same step."""
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

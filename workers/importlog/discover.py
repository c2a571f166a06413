"""Propose a step graph for a log: a step per activity, an edge per pair that follows directly.

A step with several followers is a manual decision whose results are the keys of the followers. An artificial start
and an artificial end hold the cases together; they are no part of any comparison.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

from models.templates.shape import Json, decision, edge, process_graph, step, terminal
from workers.importlog.executions import Execution, StepName
from workers.importlog.naming import END, START, step_keys, step_names


@dataclass(frozen=True, slots=True)
class Discovery:
    """The proposed graph, and how the steps of the log are called in it."""

    graph: Json
    keys: Mapping[StepName, str]
    decisions: frozenset[str]


def discover(cases: Iterable[Sequence[Execution]]) -> Discovery:
    """Build the graph that every one of the given cases (its executions in order) can walk."""
    follows: defaultdict[str, Counter[str]] = defaultdict(Counter)
    seen: dict[StepName, None] = {}
    walks: list[list[StepName]] = []
    for executions in cases:
        walk = [execution.step for execution in executions]
        walks.append(walk)
        seen.update(dict.fromkeys(walk))
    keys = step_keys(seen)
    for walk in walks:
        for before, after in pairwise(chain([START], (keys[one] for one in walk), [END])):
            follows[before][after] += 1
    names = step_names(keys)
    order = [START, *keys.values()]
    decisions = frozenset(key for key, after in follows.items() if len(after) > 1)
    steps = [(decision if key in decisions else step)(key, names[key]) for key in order]
    edges = [one for key in order for one in _ways(key, follows[key])]
    graph = process_graph([*steps, terminal(END, names[END], "completed")], edges)
    return Discovery(graph, keys, decisions)


def _ways(key: str, after: Counter[str]) -> list[Json]:
    """The edges that leave a step; the most frequent one is the default, the others are chosen by their condition."""
    ranked = [follower for follower, _ in after.most_common()]
    if len(ranked) == 1:
        return [edge(key, ranked[0])]
    return [
        edge(key, follower, "alternate" if place else "default", condition=follower)
        for place, follower in enumerate(ranked)
    ]

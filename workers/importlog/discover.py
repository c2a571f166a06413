"""Propose a step graph for a log: a step per activity, an edge per pair that follows directly.

A step with several followers is a manual decision whose results are the keys of the followers. An artificial start
and an artificial end hold the cases together; they are no part of any comparison. Where a log has more pairs than a
process may have edges, every step leads to one artificial hub, which leads to every step.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

from models.flow.shape import MAX_EDGES, MAX_STEPS
from models.templates.shape import Json, decision, edge, process_graph, step, terminal
from workers.importlog.executions import Execution, StepName
from workers.importlog.log import LogError
from workers.importlog.naming import END, HUB, START, step_keys, step_names


@dataclass(frozen=True, slots=True)
class Discovery:
    """The proposed graph, and how the steps of the log are called in it. With a hub, all ways lead over it."""

    graph: Json
    keys: Mapping[StepName, str]
    decisions: frozenset[str]
    has_hub: bool

    def way(self, executions: Sequence[Execution]) -> list[str]:
        """The keys of all steps that a case passes, from the start to the end."""
        keys = [START, *(self.keys[one.step] for one in executions), END]
        return list(over_hub(keys)) if self.has_hub else keys


def discover(
    cases: Iterable[Sequence[Execution]], most_steps: int = MAX_STEPS, most_edges: int = MAX_EDGES
) -> Discovery:
    """Build the graph that every one of the given cases (its executions in order) can walk.

    Raises:
        LogError: log_too_wide, where the log has more activities than a process may have steps.
    """
    walks = [[execution.step for execution in executions] for executions in cases]
    keys = step_keys(dict.fromkeys(chain.from_iterable(walks)))
    ways = [[START, *(keys[one] for one in walk), END] for walk in walks]
    follows = _follows(ways)
    has_hub = sum(map(len, follows.values())) > most_edges
    if has_hub:
        follows = _follows(over_hub(way) for way in ways)
    order = [START, *keys.values(), *([HUB] if has_hub else []), END]
    if len(order) > most_steps:
        raise LogError(
            "log_too_wide",
            f"The log has {len(keys)} activities; a process takes {most_steps} steps. "
            "Name a coarser attribute with --activity, or import fewer cases.",
        )
    decisions = frozenset(key for key, after in follows.items() if len(after) > 1)
    return Discovery(_graph(order, step_names(keys), follows, decisions), keys, decisions, has_hub)


def over_hub(way: Sequence[str]) -> Iterator[str]:
    """The same way with the hub between any two steps."""
    yield way[0]
    for key in way[1:]:
        yield HUB
        yield key


def _follows(ways: Iterable[Iterable[str]]) -> dict[str, Counter[str]]:
    """How often each step is followed directly by which."""
    found: dict[str, Counter[str]] = {}
    for way in ways:
        for before, after in pairwise(way):
            found.setdefault(before, Counter())[after] += 1
    return found


def _graph(
    order: Sequence[str], names: Mapping[str, str], follows: Mapping[str, Counter[str]], decisions: frozenset[str]
) -> Json:
    steps = [(decision if key in decisions else step)(key, names[key]) for key in order[:-1]]
    edges = [one for key in order[:-1] for one in _ways(key, follows.get(key, Counter()))]
    return process_graph([*steps, terminal(END, names[END], "completed")], edges)


def _ways(key: str, after: Counter[str]) -> list[Json]:
    """The edges that leave a step; the most frequent one is the default, the others are chosen by their condition."""
    ranked = [follower for follower, _ in after.most_common()]
    if len(ranked) == 1:
        return [edge(key, ranked[0])]
    return [
        edge(key, follower, "alternate" if place else "default", condition=follower)
        for place, follower in enumerate(ranked)
    ]

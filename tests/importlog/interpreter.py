"""A tiny interpreter of step graphs, written from the routing rules and independent of the product's own.

It follows a case's plan, and says what an engine would record.
"""

from models.templates.shape import Json
from workers.importlog.compare import Completed
from workers.importlog.plan import CasePlan

DEFAULT_WORDS = {"pass", "approved", "yes"}
ALTERNATE_WORDS = {"fail", "rejected", "no"}


def walk(graph: Json, plan: CasePlan) -> tuple[list[Completed], str]:
    """Follow a plan from the first step; return what was completed, and the terminal status that was reached."""
    steps = {step["key"]: step for step in graph["steps"]}
    here = min(graph["steps"], key=lambda step: step["order"])
    recorded: list[Completed] = []
    for planned in plan.steps:
        assert here["key"] == planned.step, f"{plan.case_id}: at {here['key']}, the plan is at {planned.step}"
        recorded.append(Completed(here["key"], planned.completer, planned.starter))
        here = steps[_follow(graph, here, planned.decision_result)]
    assert here["is_terminal"], f"{plan.case_id} ends at {here['key']}"
    return recorded, here["terminal_status"]


def _follow(graph: Json, step: Json, result: str) -> str:
    leaving = [edge for edge in graph["edges"] if edge["from_step"] == step["key"]]
    if not step["is_decision_point"]:
        assert not result
        (only,) = leaving
        return str(only["to_step"])
    word = result.lower()
    assert word not in DEFAULT_WORDS | ALTERNATE_WORDS
    (chosen,) = (edge for edge in leaving if edge["condition"].lower() == word)
    return str(chosen["to_step"])

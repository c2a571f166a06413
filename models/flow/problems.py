"""What can be wrong with a process graph: the single table of codes, and the value that reports one.

The designer shows these sentences at the place that `path` names; the documentation lists them (a test compares).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from models.flow.sentences import in_words

PROBLEMS: Mapping[str, str] = {
    "alternate_without_decision": "The alternate way out of '{step}' is never taken, because the step decides nothing. "
    "Make it a decision point or remove the edge.",
    "ambiguous_edge": "'{step}' has several {edge_type} edges that take the result '{word}'. "
    "Give all but one of them a condition of their own.",
    "bad_duration": "Write an ISO 8601 duration of weeks, days, hours, minutes or seconds, such as P5D or PT8H. "
    "It must be longer than nothing and at most a hundred years.",
    "bad_header": "'{header}' cannot be a header of the request: a name of letters, digits and hyphens, a value of "
    "printable ASCII, and none of what belongs to the connection, such as Host or Content-Length.",
    "bad_key": "A key may not contain '/', line breaks or other control characters, nor begin or end with a space.",
    "condition_without_decision": "The condition '{condition}' is never looked at: only default and alternate edges "
    "of a decision point have one. Remove it, or make '{step}' a decision point.",
    "config_items": "List at least one item of the checklist under config.items.",
    "config_item": "An item of a checklist is a text, or an object that describes it; this one is empty.",
    "config_misplaced": "Nobody looks at config.{family} here: it is for steps whose {field} is {word}. Remove it, or "
    "change the step's {field}.",
    "config_schema": "Give the form's JSON Schema, an object, under config.schema.",
    "decision_needs_operator": "The decision at '{step}' is taken by a person. Set requires_operator_completion.",
    "decision_result_without_edge": "'{step}' decides, but '{allowed}' is the only result with a way on. "
    "Draw the edge for the other result, or let the step be a task.",
    "decision_without_edges": "'{step}' decides, but no default or alternate edge leaves it. Draw one for each result.",
    "duplicate_condition": "Two edges of '{step}' have the condition '{condition}' (case does not count). "
    "Give each its own.",
    "duplicate_edge": "This edge is drawn twice. Remove one of the two.",
    "duplicate_item": "The item '{item}' is listed twice. Word them differently, so that each can be ticked.",
    "duplicate_key": "The key '{key}' is used twice. Give each its own.",
    "duration_order": "max_duration is the hard limit, so it cannot be shorter than expected_duration.",
    "edge_from_terminal": "'{step}' is an end, so no edge can leave it. Remove the edge, or is_terminal.",
    "escalation_to_itself": "The escalation of '{step}' leads back to it. Let it lead elsewhere.",
    "escalation_without_limit": "The escalation of '{step}' is never taken: the step has no max_visits, and no level "
    "of its escalation policy takes that way. Set the limit, add such a level, or remove the edge.",
    "four_eyes_unknown": "'{value}' under not_who_did is no other step of this process. Name one by its key.",
    "levels_without_due": "'{step}' has reminders or escalation levels, but no expected_duration to count from. "
    "Set it or remove them.",
    "route_without_edge": "A level of the escalation policy takes the escalation edge, but none leaves '{step}'. "
    "Draw it.",
    "missing_field": "'{field}' is missing or blank. Fill it in.",
    "no_way_to_end": "From '{step}' no way leads to an end. Draw one to a terminal step.",
    "not_an_object": 'Send an object: {{"steps": [...], "edges": [...]}}.',
    "out_of_range": "'{field}' must be a whole number from {minimum} to {maximum}.",
    "reserved_condition": "'{condition}' means the {meant} edge, but stands on the {edge_type} edge. "
    "Choose another word or the other type.",
    "several_defaults": "'{step}' has {count} default edges, and nothing decides between them. Keep one, "
    "or make the step a decision point.",
    "several_escalations": "'{step}' has {count} escalation edges. Keep one.",
    "several_starts": "'{step}' is the second step of type start. Keep one; the others are tasks.",
    "step_type_contradiction": "The step is of type '{step_type}', but {flag} is false. Change one of the two.",
    "steps_missing": "A process needs at least one step.",
    "terminal_decision": "'{step}' is an end, so there is nothing to decide. Remove is_decision_point or is_terminal.",
    "too_deep": "This is nested more than {maximum} levels deep. Flatten it.",
    "too_long": "'{field}' may have at most {maximum} characters.",
    "too_many": "'{field}' may have at most {maximum} entries. Split the process; one may start another.",
    "unknown_edge_type": "'{value}' is no edge type. Allowed: {allowed}.",
    "unknown_field": "The field '{field}' is not known here. Did you mean one of {allowed}?",
    "unknown_requirement_type": "'{value}' is no requirement type. Allowed: {allowed}.",
    "unknown_step": "There is no step with the key '{value}'. Draw the edge to an existing one.",
    "unknown_step_type": "'{value}' is no step type. Allowed: {allowed}.",
    "unknown_word": "'{value}' is not known here. Allowed: {allowed}.",
    "unreachable_step": "No way leads to '{step}'. Draw an edge to it or remove it.",
    "unstorable": "This contains a character or number that cannot be stored (NUL, half a surrogate pair, NaN or "
    "an infinite number). Remove it.",
    "wrong_type": "'{field}' must be {expected}.",
    "branch_jump": "An edge leads into, out of or across the branches of a fork at '{step}'. Only a join or an "
    "end leaves a branch.",
    "engine_step_with_gates": "'{step}' is the engine's own step, so nobody can answer its {field}. Remove it, or "
    "put a task before or behind it.",
    "erp_config": "An ERP call names either a connector or an activity.",
    "fork_without_branches": "The fork '{step}' needs at least two default edges, one for each branch.",
    "fork_without_join": "No branch of the fork '{step}' comes to a join. Draw the branches to one.",
    "join_too_many": "The join '{step}' waits for {wanted} branches, but its fork has {branches}.",
    "join_without_fork": "No branch of a fork comes to the join '{step}'. Let it join one, or make it a task.",
    "measurement_decision_mixed": "Edges of '{step}' compare measurements, so a condition or results have no "
    "meaning there. Remove them.",
    "several_joins": "Branches of the fork '{step}' come to several joins. Bring them together in one.",
    "several_unconditional": "'{step}' has several default edges without a condition. Keep one, for when no "
    "condition holds.",
    "table_result_without_edge": "The decision table of '{step}' can say '{result}', but no edge takes that "
    "result. Draw one.",
    "table_empty": "A decision table needs at least one entry under '{of}'.",
    "table_width": "The rule has {cells} entries, but the table has {columns} {of}.",
    "timer_config": "A timer has either a duration or an expression 'until'.",
    "unknown_action": "'{value}' is no action. Allowed: {allowed}.",
    "unknown_decision_type": "'{value}' is no decision type. Allowed: {allowed}.",
    "unknown_hit_policy": "'{value}' is no hit policy. Allowed: {allowed}.",
    "unknown_method": "'{value}' is no HTTP method. Allowed: {allowed}.",
    "unknown_operator": "'{value}' is no comparison. Allowed: {allowed}.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that keeps a graph from being published.

    Attributes:
        code: a key of `PROBLEMS`.
        path: where in the JSON, such as `steps[2].requirements[0].config.items`; empty for the whole.
        message: what to do.
    """

    code: str
    path: str
    message: str


def problem(code: str, path: str = "", **params: object) -> Problem:
    """A problem with its sentence filled in."""
    return Problem(code=code, path=path, message=PROBLEMS[code].format_map(in_words(params)))

"""Errors of the core: a stable code, its parameters, and one sentence that says what to do.

The table `REFUSALS` is the single list of the codes that the core can answer; the API maps each to an HTTP
status (`api/problems.py`) and the documentation lists them all (a test compares).
"""

from collections.abc import Mapping
from typing import Any

from models.flow.sentences import in_words

REFUSALS: Mapping[str, str] = {
    "action_failed": "The action of '{step}' failed (attempt {attempt}): {error}. Retry it once the cause is gone.",
    "already_claimed": "{assignee_name} works on this execution. Ask them to release it, or have it reassigned.",
    "already_done": "The work at this step is given already; it waits for its sign-off or for its batch.",
    "already_on_hold": "The instance is on hold already.",
    "child_failed": "The child workflow {child} of '{requirement}' was {status}. "
    "Have it started again, or complete with force.",
    "child_unusable": "'{requirement}' cannot start its child workflow: {reason}. "
    "Correct that, then have it tried again.",
    "decision_computed": "'{step}' decides by itself; complete it without decision_result. "
    "Only a supervisor can decide otherwise, with force.",
    "decision_failed": "The decision of '{step}' could not be taken: {error}. "
    "Correct what it looks at, then try again.",
    "decision_required": "This step decides the way on: send decision_result, one of {allowed}.",
    "decision_unknown": "'{decision_result}' is not a result of this step. Allowed: {allowed}.",
    "delegated_by_another": "{owner_name} delegated this to you: hand it back, and they complete it.",
    "engine_step": "'{step}' is the engine's own step, nobody works there. A supervisor can complete it with force.",
    "execution_closed": "This execution is {status}; it takes no more commands. Open the subject's current execution.",
    "execution_not_found": "The instance has no such execution.",
    "expression_failed": "What '{step}' waits for or works out could not be computed: {error}. "
    "Correct what it looks at, then try again.",
    "due_beyond_limit": "The new due time lies behind the hard limit {limit_at}. Choose an earlier one.",
    "due_too_far": "The new due time lies more than a hundred years ahead. Choose an earlier one.",
    "due_in_the_past": "The new due time has passed already. Choose a later one.",
    "forbidden": "You lack the permission '{permission}'. Ask an administrator of your site.",
    "instance_closed": "The instance is {status}; it takes no more commands.",
    "incident_closed": "This incident is resolved already, or is not of this execution.",
    "instance_full": "A workflow takes at most {maximum} subjects at once; {open} are at work, "
    "and {given} were to join.",
    "internal_error": "The engine could not process this command, and nothing changed. "
    "Have an administrator look into the worker's log.",
    "lots_apart": "Only what stands at one step can be merged; these stand at {steps}.",
    "never_visited": "The subject has not been at the step '{step}', or that visit was rolled back. "
    "Move it there instead.",
    "migration_no_image": "Open executions stand at steps that have no image in the new version: {steps}. Map them to "
    "steps of the new version, or finish them first.",
    "migration_other_version": "The instance does not run on the version that this migration starts from. "
    "Make the plan anew.",
    "no_failed_child": "No child workflow of this execution failed or is missing, so there is nothing to start again.",
    "no_route": "The step '{step}' has no way on: {why}. Have the process owner correct the process.",
    "not_begun": "The instance has not begun yet; it will within moments. Try again.",
    "four_eyes": "Whoever did the step '{step}' for this subject may not do this one, so another person has to.",
    "not_awaiting_signoff": "Only an execution that awaits its sign-off can be signed off; this one is {status}.",
    "not_candidate": "This step is for {candidates}. Ask one of them, or have it assigned otherwise.",
    "not_claimed": "Nobody holds this execution; only work that somebody holds is released, delegated or handed back.",
    "not_delegated": "Nobody delegated this execution, so there is nobody to hand it back to.",
    "not_due": "This execution has no due time, so there is nothing to put off.",
    "not_on_hold": "The instance is not on hold.",
    "not_started": "This step must be started before it is completed.",
    "on_hold": "The instance is on hold. Resume it first.",
    "nothing_to_merge": "No open execution would change its lot.",
    "nothing_to_undo": "Only what a person completed can be undone; this execution is {status}.",
    "other_branch": "The subject was at '{step}' in another branch of a fork. Rewind to the fork or before it.",
    "own_approval": "You approved or attested this work as independent, so another person has to complete it.",
    "reason_required": "Give a reason of at least {minimum} characters.",
    "requirements_unmet": "Requirements of this step are not met yet.",
    "second_person_required": "The process demands a second person for this deviation ({deviation}): "
    "propose it through the API, and have another person confirm it.",
    "self_confirmation": "Another person than the one who proposed it has to confirm it.",
    "revisit_by_another": "Whoever did this step on the visit before may not do it again, so another person has to.",
    "revisit_by_same": "{previous_name} did this step on the visit before and has to do it again, or it is reassigned.",
    "same_assignee": "{assignee_name} has this execution already.",
    "self_signoff": "You did part of this work, so another person with the QA permission has to sign it off.",
    "step_unknown": "The process has no step with the key '{to_step}'. Steps: {allowed}.",
    "subject_finished": "Of the subjects named, {subjects} reached their end already, so they cannot be removed.",
    "subject_not_here": "The workflow has no subject {subjects}.",
    "subject_present": "Of the subjects named, {subjects} are or were part of the workflow; each can join once.",
    "undo_built_on": "Work has been built on it ({built_on} at '{step}'), so it cannot be undone. "
    "A supervisor can rewind.",
    "undo_not_last": "The subject has completed '{step}' since. Undo that first, or have a supervisor rewind.",
    "undo_too_late": "A completion can be undone within {minutes} minutes. A supervisor can rewind.",
    "unassignable": "The person may not be given this: {reason}.",
    "unknown_command": "The command '{command}' is not known.",
    "visit_limit_reached": "The step '{step}' may be visited {max_visits} times at most and has no escalation edge. "
    "A supervisor can complete with force, or another decision can be taken.",
}


class FlowError(Exception):
    """A command that must not happen: nothing changed, and `code` says why.

    Args:
        code: a key of `REFUSALS`.
        params: JSON-ready values that fill the sentence and go to the client.
    """

    def __init__(self, code: str, **params: Any) -> None:
        super().__init__(code)
        self.code = code
        self.params = params

    @property
    def message(self) -> str:
        """The sentence for a person, with its parameters filled in."""
        return describe(self.code, self.params)


def describe(code: str, params: Mapping[str, Any]) -> str:
    """The sentence of a refusal; parameters that are missing show as their name."""
    shown = in_words(params)
    for key in _QUOTED & shown.keys():
        shown[key] = str(shown[key]).removesuffix(".")
    return REFUSALS[code].format_map(_Named(_BEFORE | shown))


_BEFORE = {"why": "no edge takes this result"}
"""What is said for a parameter that journals of earlier releases have not."""
_QUOTED = frozenset({"error", "reason"})
"""What others said, within a sentence of ours: that sentence has its own full stop."""


class _Named(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return f"<{key}>"

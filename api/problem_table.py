"""The one table of problems: error code → HTTP status. `docs/errors.md` lists it; a test compares.

Sentences of the core stand in `models.flow.errors.REFUSALS`, those of the store in its exceptions' docstrings
(`models.store.errors.CODES`); only problems of HTTP itself have theirs here. Whoever adds a code adds its status here.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from models.flow.errors import REFUSALS
from models.store import connector_errors, gate_errors, notice_errors, planning_errors, refusals
from models.store.errors import CODES

_LISTED = (connector_errors, gate_errors, notice_errors, planning_errors, refusals)
"""Where the store's codes stand besides `models.store.errors`; importing them fills `CODES`."""

FLOW_STATUS: Final[Mapping[str, int]] = {
    "already_claimed": 409,
    "already_done": 409,
    "already_on_hold": 409,
    "child_failed": 409,
    "child_unusable": 409,
    "action_failed": 409,
    "decision_computed": 422,
    "decision_failed": 409,
    "decision_required": 422,
    "decision_unknown": 422,
    "delegated_by_another": 409,
    "due_beyond_limit": 422,
    "due_too_far": 422,
    "due_in_the_past": 422,
    "engine_step": 409,
    "execution_closed": 409,
    "execution_not_found": 404,
    "expression_failed": 409,
    "forbidden": 403,
    "four_eyes": 403,
    "instance_closed": 409,
    "incident_closed": 409,
    "instance_full": 409,
    "internal_error": 500,
    "lots_apart": 409,
    "never_visited": 409,
    "migration_no_image": 409,
    "migration_other_version": 409,
    "nothing_to_merge": 409,
    "nothing_to_undo": 409,
    "no_failed_child": 409,
    "no_route": 409,
    "not_awaiting_signoff": 409,
    "not_begun": 409,
    "not_candidate": 403,
    "not_delegated": 409,
    "not_due": 409,
    "other_branch": 409,
    "own_approval": 403,
    "not_claimed": 409,
    "not_on_hold": 409,
    "not_started": 409,
    "on_hold": 409,
    "reason_required": 422,
    "requirements_unmet": 409,
    "second_person_required": 409,
    "self_confirmation": 403,
    "revisit_by_another": 403,
    "revisit_by_same": 403,
    "same_assignee": 409,
    "self_signoff": 403,
    "step_unknown": 422,
    "subject_finished": 409,
    "subject_not_here": 404,
    "subject_present": 409,
    "undo_built_on": 409,
    "undo_not_last": 409,
    "undo_too_late": 409,
    "unassignable": 422,
    "unknown_command": 422,
    "visit_limit_reached": 409,
}

STORE_STATUS: Final[Mapping[str, int]] = {
    # planning
    "calendar_unknown": 404,
    "calendar_in_use": 409,
    "calendar_key_taken": 409,
    "calendar_invalid": 422,
    "absence_unknown": 404,
    "absence_invalid": 422,
    # anything
    "not_found": 404,
    "revision_conflict": 409,
    "reference_unknown": 422,
    "config_invalid": 422,
    "schema_invalid": 422,
    "pattern_invalid": 422,
    "idempotency_conflict": 422,
    # identity
    "invalid_credentials": 401,
    "token_invalid": 401,
    "account_locked": 423,
    "username_taken": 409,
    "username_invalid": 422,
    "password_too_weak": 422,
    "role_unknown": 422,
    "role_not_allowed": 409,
    "last_administrator": 409,
    # subjects
    "subject_type_taken": 409,
    "subject_type_unknown": 422,
    "subject_identifier_taken": 409,
    "subject_identifier_invalid": 422,
    "subject_attributes_invalid": 422,
    # processes
    "process_key_taken": 409,
    "process_not_draft": 409,
    "process_not_approved": 409,
    "process_invalid": 422,
    "process_not_effective": 409,
    "process_not_in_review": 409,
    "process_retired": 409,
    "process_in_use": 409,
    "process_self_approval": 403,
    "version_not_approved": 409,
    "draft_exists": 409,
    "effective_dates_invalid": 422,
    "migration_other_process": 409,
    "migration_step_unknown": 422,
    # instances and commands
    "subjects_required": 422,
    "subjects_too_many": 422,
    "subjects_duplicate": 422,
    "subject_type_mismatch": 422,
    "owner_unknown": 422,
    "capa_running": 409,
    "executions_invalid": 422,
    "not_proposed": 409,
    "deviation_rejected": 409,
    "event_changed": 422,
    "as_of_before_start": 404,
    "as_of_in_future": 422,
    # gates: evidence, signatures, approvals, documents, catalogues
    "execution_unknown": 404,
    "requirement_unknown": 404,
    "evidence_invalid": 422,
    "derived_requirement": 409,
    "requirement_out_of_order": 409,
    "nothing_to_withdraw": 409,
    "content_changed": 409,
    "reauthentication_failed": 403,
    "signature_role_required": 403,
    "already_signed": 409,
    "no_self_signature": 403,
    "self_disposition": 403,
    "gauge_overdue": 409,
    "approval_unknown": 404,
    "approval_closed": 409,
    "not_an_approver": 403,
    "already_answered": 409,
    "self_approval": 403,
    "not_re_requestable": 409,
    "approval_delegated": 409,
    "delegation_not_allowed": 409,
    "delegation_invalid": 422,
    "not_the_requester": 403,
    "document_unknown": 404,
    "document_type_unknown": 422,
    "document_too_large": 413,
    "document_empty": 422,
    "document_number_taken": 409,
    "document_state": 409,
    "self_release": 403,
    "content_missing": 500,
    "history_damaged": 500,
    "catalogue_key_taken": 409,
    "catalogue_unknown": 404,
    "stages_invalid": 422,
    "limits_invalid": 422,
    "not_amendable": 409,
    # notices
    "notification_unknown": 404,
    "notice_kind_unknown": 404,
    "template_refused": 422,
    "webhook_unknown": 404,
    "channel_unknown": 404,
    "target_refused": 422,
    "event_type_unknown": 422,
    "delivery_unknown": 404,
    "delivery_pending": 409,
    # connectors
    "connector_unknown": 404,
    "connector_key_taken": 409,
    "connector_target_refused": 422,
    "connector_secret_needed": 422,
    # load and uploads
    "too_busy": 503,
    "upload_invalid": 422,
    "dmn_invalid": 422,
    "dmn_unsupported": 422,
}

UNLISTED: Final = 409
"""For a code of a plug-in's own."""

HTTP: Final[Mapping[str, tuple[int, str]]] = {
    "request_invalid": (422, "The request does not have the expected shape; see `errors` for each field."),
    "json_invalid": (400, "The body is not valid JSON."),
    "cursor_invalid": (422, "The cursor is not one of ours. Start again without it."),
    "unauthenticated": (401, "Log in first: POST /api/auth/token/, then send the token as Bearer."),
    "password_change_required": (403, "Change your password before anything else: POST /api/me/password/."),
    "impersonation_forbidden": (403, "on_behalf_of is for the importer role in a tenant marked as sandbox."),
    "incident_of_engine": (409, "The engine sees to this incident by itself and resolves it; there is nothing to do."),
    "nothing_stopped": (409, "Nothing stopped here that could be tried again. See to it, then resolve it with a note."),
    "nothing_to_change": (422, "Name at least one field to change."),
    "method_not_allowed": (405, "This address does not take this method."),
    "request_too_large": (413, "The body is too large."),
    "unsupported_media_type": (415, "Send the body as application/json."),
    "http_error": (400, "The request cannot be handled."),
    "conflict": (409, "Somebody changed the same thing at this moment. Read it again, then repeat."),
    "unavailable": (503, "A part of the system does not answer. Try again in a moment."),
    "server_error": (500, "Something went wrong on our side; the request id leads to the log."),
}
"""Problems of HTTP itself, with their sentence."""


def status_of(code: str) -> int:
    """The HTTP status of a code."""
    if code in HTTP:
        return HTTP[code][0]
    return FLOW_STATUS.get(code) or STORE_STATUS.get(code, UNLISTED)


def sentence_of(code: str) -> str:
    """The sentence of a code, parameters in braces; for the documentation."""
    if code in HTTP:
        return HTTP[code][1]
    if code in REFUSALS:
        return REFUSALS[code]
    return str(CODES[code].__doc__).strip().splitlines()[0] if code in CODES else title_of(code)


def title_of(code: str) -> str:
    """`already_claimed` → `Already claimed`."""
    return code.replace("_", " ").capitalize()


def phrase_of(status: int) -> str:
    """`409` → `Conflict`."""
    return HTTPStatus(status).phrase

"""Errors that a person can cause with processes, instances, commands and CAPAs; see `models.store.errors`."""

from models.store.errors import StoreError


class ProcessKeyTakenError(StoreError):
    """A process with the key '{key}' exists already. Take another key, or make a new version of it."""

    code = "process_key_taken"


class ProcessNotDraftError(StoreError):
    """Only a draft can be changed or approved; this version is {status}."""

    code = "process_not_draft"


class ProcessNotApprovedError(StoreError):
    """The process has no approved version to start. Have one approved first."""

    code = "process_not_approved"


class ProcessInvalidError(StoreError):
    """The process cannot be put into force; see `problems` for what to correct."""

    code = "process_invalid"


class RevisionConflictError(StoreError):
    """Somebody changed this draft meanwhile; it is at revision {revision} now. Read it again, then repeat."""

    code = "revision_conflict"


class ReferenceUnknownError(StoreError):
    """'{reference}' at {path} does not exist on this site."""

    code = "reference_unknown"


class ConfigInvalidError(StoreError):
    """What is defined at {path} is not complete ({detail})."""

    code = "config_invalid"


class SubjectsRequiredError(StoreError):
    """Name at least one subject."""

    code = "subjects_required"


class SubjectsTooManyError(StoreError):
    """A workflow takes at most {maximum} subjects; this one has {given}."""

    code = "subjects_too_many"


class SubjectsDuplicateError(StoreError):
    """The subject {subject} is named more than once."""

    code = "subjects_duplicate"


class SubjectTypeMismatchError(StoreError):
    """This process takes subjects of type {expected}; {subject} is a {actual}."""

    code = "subject_type_mismatch"


class OwnerUnknownError(StoreError):
    """The owner {owner} is not an active user of this site."""

    code = "owner_unknown"


class CapaRunningError(StoreError):
    """This CAPA has a running workflow already: {identifier}."""

    code = "capa_running"


class IdempotencyConflictError(StoreError):
    """This Idempotency-Key was used before with another body. Take a new key."""

    code = "idempotency_conflict"


class ExecutionsRequiredError(StoreError):
    """Name at least one execution and at most {maximum}, each only once."""

    code = "executions_invalid"

"""Errors that a person can cause with processes, instances, commands and CAPAs; see `models.store.errors`."""

from models.store.errors import StoreError


class ProcessKeyTakenError(StoreError):
    """A process with the key '{key}' exists already. Take another key, or make a new version of it."""

    code = "process_key_taken"


class ProcessNotDraftError(StoreError):
    """Only a draft can be changed, submitted or approved; this version is {status}."""

    code = "process_not_draft"


class ProcessNotApprovedError(StoreError):
    """The process has no approved version to start. Have one approved first."""

    code = "process_not_approved"


class ProcessNotEffectiveError(StoreError):
    """No version of this process is in force now (next from {effective_from}). Wait, or have one approved."""

    code = "process_not_effective"


class ProcessNotInReviewError(StoreError):
    """Only a version in review can be withdrawn or rejected; this one is {status}."""

    code = "process_not_in_review"


class ProcessRetiredError(StoreError):
    """This version is retired already."""

    code = "process_retired"


class ProcessInUseError(StoreError):
    """These processes in force start it as a nested process: {parents}. Give them a new version first."""

    code = "process_in_use"


class VersionNotApprovedError(StoreError):
    """A new version is made from an approved one; this version is {status}."""

    code = "version_not_approved"


class DraftExistsError(StoreError):
    """Version {version} of this process is {status}. Finish or retire it before you begin another one."""

    code = "draft_exists"


class MigrationOtherProcessError(StoreError):
    """Workflows go from one version of a process to another one of it; {old} and {new} are no such pair."""

    code = "migration_other_process"


class MigrationStepUnknownError(StoreError):
    """Version {version} has no step '{step}'. Correct the mapping."""

    code = "migration_step_unknown"


class EffectiveDatesInvalidError(StoreError):
    """effective_from must not be past ({now} now), and effective_until must come after it."""

    code = "effective_dates_invalid"


class SelfApprovalOfProcessError(StoreError):
    """You wrote or submitted this version, so another person has to approve it."""

    code = "process_self_approval"


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


class NotProposedError(StoreError):
    """Only a proposed deviation can be confirmed or rejected; this command is {outcome}."""

    code = "not_proposed"


class DeviationRejectedError(StoreError):
    """{by} rejected the deviation that was proposed: {reason}."""

    code = "deviation_rejected"


class ExecutionsRequiredError(StoreError):
    """Name at least one execution and at most {maximum}, each only once."""

    code = "executions_invalid"


class AsOfBeforeStartError(StoreError):
    """At {as_of} the workflow had not begun; ask for a later moment."""

    code = "as_of_before_start"


class AsOfInFutureError(StoreError):
    """{as_of} is still to come; only the past can be told."""

    code = "as_of_in_future"


class HistoryDamagedError(StoreError):
    """The journal no longer tells how {workflow} was: {problem}. Have an administrator run `gatework verify`."""

    code = "history_damaged"


class DmnInvalidError(StoreError):
    """The DMN file cannot be read: {detail}."""

    code = "dmn_invalid"


class DmnUnsupportedError(StoreError):
    """The DMN file says what is not translated ({first}). Change what `problems` lists, then send it again."""

    code = "dmn_unsupported"


class EventChangedError(StoreError):
    """An event with the id '{id}' was posted before with other content; take a new id."""

    code = "event_changed"

"""Errors around gates: evidence, signatures, approvals, documents and the catalogues that gates refer to.

Codes of the core (`already_claimed`, `on_hold`, `execution_closed`, …) are raised as `FlowError` here too: the same
refusal has the same code, whoever finds it first.
"""

from models.store.errors import StoreError


class ExecutionUnknownError(StoreError):
    """There is no execution {execution_id} here. Open the instance and take the id from there."""

    code = "execution_unknown"


class RequirementUnknownError(StoreError):
    """The execution has no requirement {requirement_id}; GET its requirements lists them."""

    code = "requirement_unknown"


class EvidenceInvalidError(StoreError):
    """The evidence does not fit the requirement; `errors` says where and why. Correct it and send it again."""

    code = "evidence_invalid"


class DerivedRequirementError(StoreError):
    """A requirement of type {requirement_type} is met by what happens elsewhere; it cannot be completed by hand."""

    code = "derived_requirement"


class RequirementOutOfOrderError(StoreError):
    """This step is worked in order: '{before}' comes first."""

    code = "requirement_out_of_order"


class NothingToWithdrawError(StoreError):
    """Nothing is given for this requirement, so there is nothing to withdraw."""

    code = "nothing_to_withdraw"


class ContentChangedError(StoreError):
    """What you were shown has changed meanwhile. Read it again, then decide with the new content_hash."""

    code = "content_changed"


class ReauthenticationFailedError(StoreError):
    """The password is wrong, so nothing was signed. Repeated failures lock the account."""

    code = "reauthentication_failed"


class SignatureRoleRequiredError(StoreError):
    """Only a person with one of the roles {roles} may sign this."""

    code = "signature_role_required"


class AlreadySignedError(StoreError):
    """You have signed here already, and another person is asked for. Have somebody else sign."""

    code = "already_signed"


class NoSelfSignatureError(StoreError):
    """You did or wrote part of this work, and this signature is for an independent person."""

    code = "no_self_signature"


class SelfDispositionError(StoreError):
    """You took this measurement yourself, so another person has to disposition it."""

    code = "self_disposition"


class GaugeOverdueError(StoreError):
    """The calibration of gauge {gauge} was due on {due}. Have it calibrated, or measure with another one."""

    code = "gauge_overdue"


class ApprovalUnknownError(StoreError):
    """There is no approval request {approval_id} here."""

    code = "approval_unknown"


class ApprovalClosedError(StoreError):
    """This approval request is {state}; it takes no more answers."""

    code = "approval_closed"


class NotAnApproverError(StoreError):
    """The stage '{stage}' is not yours to decide. Approvers: {approvers}."""

    code = "not_an_approver"


class AlreadyAnsweredError(StoreError):
    """You have answered this stage already; the other approvers have to answer now."""

    code = "already_answered"


class SelfApprovalError(StoreError):
    """You did or wrote part of this work, so another person has to decide."""

    code = "self_approval"


class ApprovalDelegatedError(StoreError):
    """You have delegated your answer to {delegate}, who has to give it now."""

    code = "approval_delegated"


class DelegationNotAllowedError(StoreError):
    """The template of this approval does not allow answers to be delegated."""

    code = "delegation_not_allowed"


class DelegationInvalidError(StoreError):
    """Your answer cannot be delegated like this: {detail}."""

    code = "delegation_invalid"


class NotTheRequesterError(StoreError):
    """Another person asked for this approval; only they can take it back."""

    code = "not_the_requester"


class NotReRequestableError(StoreError):
    """Only a rejected or withdrawn approval can be requested again; this one is {state}."""

    code = "not_re_requestable"


class DocumentUnknownError(StoreError):
    """There is no document {document_id} here."""

    code = "document_unknown"


class DocumentTypeUnknownError(StoreError):
    """There is no document type '{document_type}' here."""

    code = "document_type_unknown"


class DocumentTooLargeError(StoreError):
    """The file is larger than the {maximum} bytes allowed; nothing was kept."""

    code = "document_too_large"


class DocumentEmptyError(StoreError):
    """The file is empty; nothing was kept."""

    code = "document_empty"


class DocumentNumberTakenError(StoreError):
    """Revision '{revision}' of document {number} exists already. Upload it as the next revision."""

    code = "document_number_taken"


class DocumentStateError(StoreError):
    """The document is {state}; this is possible only where it is {expected}."""

    code = "document_state"


class SelfReleaseError(StoreError):
    """You uploaded this document, so another person has to release it."""

    code = "self_release"


class ContentMissingError(StoreError):
    """The file {sha256} is not in the file store. Tell your administrator: a restore is needed."""

    code = "content_missing"


class CatalogueKeyTakenError(StoreError):
    """The key '{key}' is taken. Take another one, or change what is there."""

    code = "catalogue_key_taken"


class CatalogueUnknownError(StoreError):
    """There is no {what} {id} here."""

    code = "catalogue_unknown"


class StagesInvalidError(StoreError):
    """The stages of the approval do not hold together: {detail}."""

    code = "stages_invalid"


class LimitsInvalidError(StoreError):
    """The lower limit lies above the upper one."""

    code = "limits_invalid"


class NotAmendableError(StoreError):
    """This evidence cannot be amended: {detail}."""

    code = "not_amendable"


class TooBusyError(StoreError):
    """Others kept changing the same thing. Try again in a moment."""

    code = "too_busy"


class UploadInvalidError(StoreError):
    """The upload cannot be read: {detail}."""

    code = "upload_invalid"

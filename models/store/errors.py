"""Errors that a person can cause in the store. The docstring is the message; `code` is stable and public.

The API maps each code to an HTTP status (`api/problems.py`). Raising one leaves everything as it was.
"""

from typing import Any, ClassVar

from models.flow.sentences import in_words

CODES: dict[str, "type[StoreError]"] = {}
"""Every error of the store by its code."""


class StoreError(Exception):
    """The request cannot be carried out."""

    code: ClassVar[str] = "store_error"

    def __init__(self, **params: Any) -> None:
        """Keep what fills the sentence; JSON-ready values."""
        super().__init__(self.code)
        self.params = params

    def __init_subclass__(cls) -> None:
        """Enter the code into the list; it may be taken only once."""
        if cls.code in CODES:
            raise TypeError(f"The code {cls.code} is taken by {CODES[cls.code].__name__}.")
        CODES[cls.code] = cls

    def __str__(self) -> str:
        """The sentence for a person."""
        return self.message

    @property
    def message(self) -> str:
        """The first line of the docstring, with the parameters filled in."""
        return str(type(self).__doc__).strip().splitlines()[0].format_map(_Named(in_words(self.params)))


class _Named(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return f"<{key}>"


class NotFoundError(StoreError):
    """There is no {what} {id} here. Check the id and the site you are logged in to."""

    code = "not_found"


class InvalidCredentialsError(StoreError):
    """The username or the password is wrong."""

    code = "invalid_credentials"


class AccountLockedError(StoreError):
    """Too many failed logins: the account is locked until {until}. An administrator can unlock it."""

    code = "account_locked"


class TokenInvalidError(StoreError):
    """The session is over or was never valid. Log in again."""

    code = "token_invalid"


class UsernameTakenError(StoreError):
    """The username '{username}' is taken; usernames are unique, whatever their case."""

    code = "username_taken"


class UsernameInvalidError(StoreError):
    """'{username}' is no username: 1 to 100 letters, digits or . _ - @ +, without blanks."""

    code = "username_invalid"


class PasswordTooWeakError(StoreError):
    """The password needs at least {minimum} characters and must differ from the username."""

    code = "password_too_weak"


class RoleUnknownError(StoreError):
    """There is no role '{role}'. Roles: {allowed}."""

    code = "role_unknown"


class RoleNotAllowedError(StoreError):
    """The role '{role}' may be given only in a tenant that is marked as a sandbox."""

    code = "role_not_allowed"


class LastAdministratorError(StoreError):
    """This is the last active administrator. Make somebody else administrator first."""

    code = "last_administrator"


class SubjectTypeTakenError(StoreError):
    """The subject type '{key}' exists already."""

    code = "subject_type_taken"


class SchemaInvalidError(StoreError):
    """The JSON Schema is not valid: {detail}."""

    code = "schema_invalid"


class PatternInvalidError(StoreError):
    """The identifier pattern is no regular expression: {detail}."""

    code = "pattern_invalid"


class SubjectTypeUnknownError(StoreError):
    """There is no subject type '{key}'. Known: {allowed}."""

    code = "subject_type_unknown"


class SubjectIdentifierTakenError(StoreError):
    """The subject '{identifier}' of type {subject_type} exists already."""

    code = "subject_identifier_taken"


class SubjectIdentifierInvalidError(StoreError):
    """'{identifier}' is no identifier of a {subject_type}; it has to match {pattern} ."""

    code = "subject_identifier_invalid"


class SubjectAttributesInvalidError(StoreError):
    """The attributes do not fit the subject type {subject_type}."""

    code = "subject_attributes_invalid"

"""Errors around planning: calendars and absences."""

from models.store.errors import StoreError


class CalendarUnknownError(StoreError):
    """There is no calendar {id} here; GET /api/calendars/ lists them."""

    code = "calendar_unknown"


class CalendarKeyTakenError(StoreError):
    """The site '{key}' has a calendar already. Change that one."""

    code = "calendar_key_taken"


class CalendarInUseError(StoreError):
    """The calendar of '{key}' is in use: {used_by}. Change it, or delete it once nothing goes by it any more."""

    code = "calendar_in_use"


class CalendarInvalidError(StoreError):
    """The calendar cannot be computed with: {why}."""

    code = "calendar_invalid"


class AbsenceUnknownError(StoreError):
    """There is no absence {id} here; GET /api/absences/ lists them."""

    code = "absence_unknown"


class AbsenceInvalidError(StoreError):
    """That cannot be done with this absence: {why}."""

    code = "absence_invalid"

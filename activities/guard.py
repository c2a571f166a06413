"""Which failures of a database activity are worth another try, and which would fail for ever (DESIGN §2.5).

A connection that broke, a lock that was not had, a server that restarts: try again. Anything else is the input's
fault or ours, and trying again would only hide it: it ends as a non-retryable error that the workflow isolates.
"""

import functools
import logging
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

from psycopg import Error as PsycopgError
from psycopg import InterfaceError as PsycopgInterfaceError
from psycopg import OperationalError as PsycopgOperationalError
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from temporalio.exceptions import ApplicationError

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

POISON = "poison"
PASSING_CLASSES = ("08", "40", "53", "55", "57", "58")
"""SQLSTATE classes that pass: connection, rollback, resources, locks, operator intervention, system."""
DATA_CLASSES = ("22", "23")
"""SQLSTATE classes of data that the database rejects, however often it is sent."""


def sqlstate(error: BaseException) -> str:
    """The five characters of PostgreSQL's verdict; empty where the server did not answer."""
    original = error.orig if isinstance(error, DBAPIError) else error
    return (original.sqlstate or "") if isinstance(original, PsycopgError) else ""


def is_passing(error: Exception) -> bool:
    """Whether the same call may go through later."""
    if isinstance(error, PoolTimeoutError | ConnectionError | TimeoutError):
        return True
    state = sqlstate(error)
    if state:
        return state.startswith(PASSING_CLASSES)
    return isinstance(error, OperationalError | InterfaceError | PsycopgOperationalError | PsycopgInterfaceError)


def is_rejected_data(error: Exception) -> bool:
    """Whether the database says that these values cannot be stored."""
    return sqlstate(error).startswith(DATA_CLASSES)


def retried_where_it_helps(activity: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """Let passing failures through to Temporal's retries; end all others at once as `poison`."""

    @functools.wraps(activity)
    async def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return await activity(*args, **kwargs)
        except ApplicationError:
            raise
        except Exception as error:
            if is_passing(error):
                raise
            log.warning("a database activity cannot succeed", exc_info=True)
            said = error.orig if isinstance(error, DBAPIError) else error
            message = f"{type(error).__name__}: {said}"[:1_000]
            # Without its cause: what goes into Temporal's history must not tell the statement's parameters.
            raise ApplicationError(message, type=POISON, non_retryable=True) from None

    return guarded

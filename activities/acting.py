"""What all automatic actions share: what was asked, and how one fails, for good or so that another try may help."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from temporalio.exceptions import ApplicationError

from models.flow.graph import Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A step's settings, and the variables of its expressions."""

    step: Step
    settings: Mapping[str, Any]
    variables: dict[str, Any]

    @property
    def whose(self) -> dict[str, dict[str, str]]:
        """Whom it is for: `instance` and `subject`, each with `id` and `identifier`."""
        return {
            holder: {name: str(self.variables[holder][name]) for name in ("id", "identifier")}
            for holder in ("instance", "subject")
        }


def refused(told: str) -> ApplicationError:
    """It failed for good; what is told is the reason of the incident."""
    return ApplicationError(told, type="action_refused", non_retryable=True)


def not_answered(told: str) -> ApplicationError:
    """It failed this time."""
    return ApplicationError(told, type="action_not_answered")

"""What moves a process version through its life, and what differs between two of them."""

from typing import Any, Literal

from pydantic import Field

from api.schemas.base import Body, Moment, Password, Shape, Text
from api.schemas.processes import ProcessInShort
from models.store.process_life import Level


class Submit(Body):
    """A draft goes into review; `revision` is the one that was looked at."""

    revision: int | None = None
    note: Text = Field(default="", description="What the reviewers should know.")


class Withdraw(Body):
    """A version comes back from review."""

    reason: Text = ""


class Reason(Body):
    """Why."""

    reason: Text = Field(examples=["The torque limits of the new tool are missing."])


class Approve(Body):
    """Approval of a version; `revision` is the one that was looked at."""

    revision: int | None = None
    reason: Text = ""
    effective_from: Moment | None = Field(default=None, description="From now on unless given.")
    effective_until: Moment | None = None
    password: Password | None = Field(default=None, description="Signs the approval.")


class NewVersion(Body):
    """How far the new version goes, and why there is one."""

    level: Level = Level.MINOR
    note: str = Field(min_length=1, max_length=10_000, examples=["Torque check after the tool change."])


class Change(Shape):
    """A field before and after."""

    before: Any
    after: Any


class Difference(Shape):
    """One thing that was added, removed or changed; a requirement's key is `step/requirement`."""

    what: Literal["process", "step", "requirement", "edge"]
    change: Literal["added", "removed", "changed"]
    key: str
    name: str
    fields: dict[str, Change]


class Differences(Shape):
    """What one version changes against another; `against` is null where it is the first."""

    process: ProcessInShort
    against: ProcessInShort | None
    same: bool
    items: list[Difference]

"""What has reached an instance and is not handled yet. Signal handlers only append; one loop takes.

Plain lists and dicts in order of arrival: no sets, no clock.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice

from activities.contract import BATCH_ANSWERS, BATCH_COMMANDS, BATCH_EXECUTIONS, ActionAnswer, BareCommand, Work
from models.flow.state import Ref
from workflows.contract import Waiting


@dataclass(slots=True)
class Inbox:
    """Commands by id, evidence to look at by execution, news of children, answers, bare commands; each once."""

    commands: dict[str, None] = field(default_factory=dict)
    evidence: dict[Ref, None] = field(default_factory=dict)
    children: dict[str, str] = field(default_factory=dict)
    bare: list[BareCommand] = field(default_factory=list)
    answers: dict[str, ActionAnswer] = field(default_factory=dict)
    """By the id of the call. They are taken during a hold, too: what came back is kept."""
    signals: int = 0

    @classmethod
    def of(cls, waiting: Waiting | None) -> "Inbox":
        """What the run before left, or nothing."""
        if waiting is None:
            return cls()
        return cls(
            commands=dict.fromkeys(waiting.commands),
            evidence=dict.fromkeys(waiting.evidence),
            children=dict(waiting.children),
            bare=list(waiting.bare),
            answers={one.call_id: one for one in waiting.answers},
        )

    def has_work(self, *, looking: bool) -> bool:
        """Whether anything waits that may be handled now."""
        return bool(self.commands or self.children or self.bare or self.answers or (looking and self.evidence))

    def leftovers(self) -> Waiting:
        """Everything that waits, for the next run."""
        return Waiting(
            commands=tuple(self.commands),
            evidence=tuple(self.evidence),
            children=tuple(self.children.items()),
            bare=tuple(self.bare),
            answers=tuple(self.answers.values()),
        )

    def take(self, *, looking: bool, hops: Iterable[Ref] = ()) -> Work:
        """The next batch; what does not fit stays.

        Args:
            looking: whether executions may move by themselves; while an instance is on hold, what changed waits here.
            hops: executions that are to be looked at besides.
        """
        commands = tuple(islice(self.commands, BATCH_COMMANDS))
        evidence = tuple(islice(self.evidence, BATCH_EXECUTIONS)) if looking else ()
        rechecks = tuple(dict.fromkeys((*evidence, *islice(hops, BATCH_EXECUTIONS - len(evidence)))))
        answers = tuple(islice(self.answers.values(), BATCH_ANSWERS))
        work = Work(commands=commands, rechecks=rechecks, children=tuple(self.children.items()), answers=answers)
        for command in commands:
            del self.commands[command]
        for ref in evidence:
            del self.evidence[ref]
        for answer in answers:
            del self.answers[answer.call_id]
        self.children.clear()
        return work

    def put_back(
        self, commands: tuple[str, ...] = (), evidence: tuple[Ref, ...] = (), answers: tuple[ActionAnswer, ...] = ()
    ) -> None:
        """Return what could not go with its batch to the front, in its order."""
        self.commands = dict.fromkeys((*commands, *self.commands))
        self.evidence = dict.fromkeys((*evidence, *self.evidence))
        self.answers = {one.call_id: one for one in (*answers, *self.answers.values())}

"""What happened to an instance. Past tense; the same events drive state, rows, audit and notices.

Every event that concerns one execution has `ref`; `at` is workflow time in UTC. `by` is a user id, None for the engine.
One file for each kind of happening; callers import this package.
"""

from models.flow.events.deviations import (
    ExecutionDiverted,
    ExecutionReassigned,
    ExecutionRestored,
    LotChanged,
    SubjectResumed,
    VisitRolledBack,
)
from models.flow.events.engine import (
    ActionEnded,
    ActionRequested,
    BranchArrived,
    ChildEnded,
    ChildRequested,
    ChildStarted,
    CommandRefused,
    CommandRepeated,
    DeviationConfirmed,
    IncidentOpened,
    IncidentResolved,
    MessageAwaited,
    MessageReceived,
)
from models.flow.events.execution import (
    BatchAwaited,
    ExecutionCancelled,
    ExecutionChecked,
    ExecutionClaimed,
    ExecutionCompleted,
    ExecutionEntered,
    ExecutionReleased,
    ExecutionReopened,
    ExecutionSignedOff,
    ExecutionStarted,
    SignoffAwaited,
    SubjectFinished,
)
from models.flow.events.instance import (
    InstanceAmended,
    InstanceCancelled,
    InstanceCompleted,
    InstanceHeld,
    InstanceMigrated,
    InstanceRecovered,
    InstanceResumed,
    InstanceStarted,
    SubjectsAdded,
)
from models.flow.events.timing import (
    DueChanged,
    ExecutionEscalated,
    ExecutionOverdue,
    LimitExceeded,
    PriorityChanged,
    ReminderSent,
    TimerSet,
)

InstanceEvent = (
    InstanceStarted
    | InstanceHeld
    | InstanceResumed
    | InstanceCancelled
    | InstanceCompleted
    | InstanceAmended
    | InstanceRecovered
    | InstanceMigrated
    | SubjectsAdded
)
WorkEvent = (
    ExecutionEntered
    | ExecutionClaimed
    | ExecutionStarted
    | ExecutionReleased
    | ExecutionChecked
    | SignoffAwaited
    | ExecutionSignedOff
    | BatchAwaited
    | ExecutionReopened
    | ExecutionCompleted
    | ExecutionCancelled
)
"""The ordinary way of one execution."""

NoticedEvent = (
    IncidentOpened
    | IncidentResolved
    | ChildRequested
    | ChildStarted
    | ChildEnded
    | BranchArrived
    | TimerSet
    | MessageAwaited
    | MessageReceived
    | ActionRequested
    | ActionEnded
)
"""What the engine noticed."""

BesideEvent = (
    SubjectFinished
    | ExecutionDiverted
    | VisitRolledBack
    | ExecutionReassigned
    | ExecutionRestored
    | SubjectResumed
    | LotChanged
    | ExecutionOverdue
    | LimitExceeded
    | ReminderSent
    | ExecutionEscalated
    | DueChanged
    | PriorityChanged
    | NoticedEvent
)
"""What else happens to an execution and its subject."""

ExecutionEvent = WorkEvent | BesideEvent
CommandEvent = CommandRepeated | CommandRefused | DeviationConfirmed
Event = InstanceEvent | ExecutionEvent | CommandEvent

__all__ = [
    "ActionEnded",
    "ActionRequested",
    "BatchAwaited",
    "BesideEvent",
    "BranchArrived",
    "ChildEnded",
    "ChildRequested",
    "ChildStarted",
    "CommandEvent",
    "CommandRefused",
    "CommandRepeated",
    "DeviationConfirmed",
    "DueChanged",
    "Event",
    "ExecutionCancelled",
    "ExecutionChecked",
    "ExecutionClaimed",
    "ExecutionCompleted",
    "ExecutionDiverted",
    "ExecutionEntered",
    "ExecutionEscalated",
    "ExecutionEvent",
    "ExecutionOverdue",
    "ExecutionReassigned",
    "ExecutionReleased",
    "ExecutionReopened",
    "ExecutionRestored",
    "ExecutionSignedOff",
    "ExecutionStarted",
    "IncidentOpened",
    "IncidentResolved",
    "InstanceAmended",
    "InstanceCancelled",
    "InstanceCompleted",
    "InstanceEvent",
    "InstanceHeld",
    "InstanceMigrated",
    "InstanceRecovered",
    "InstanceResumed",
    "InstanceStarted",
    "LimitExceeded",
    "LotChanged",
    "MessageAwaited",
    "MessageReceived",
    "NoticedEvent",
    "PriorityChanged",
    "ReminderSent",
    "SignoffAwaited",
    "SubjectFinished",
    "SubjectResumed",
    "SubjectsAdded",
    "TimerSet",
    "VisitRolledBack",
    "WorkEvent",
]

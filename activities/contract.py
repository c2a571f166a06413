"""What workflow and activities say to each other: activity names and their dataclasses.

The only file of `activities/` that `workflows/` imports, so it must stay free of tables, HTTP and Temporal.
All values are JSON-ready through the Pydantic data converter.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Discriminator, TypeAdapter

from models.flow.batch import Outcome
from models.flow.cohorts import Cohort as CoreCohort
from models.flow.events import Event
from models.flow.packing import LARGEST, pack, unpack
from models.flow.state import Ref

LOAD_INSTANCE = "load_instance"
ADVANCE = "advance"
RECORD = "record"
ACCEPT_BARE = "accept_bare"
REFUSE_LEFTOVERS = "refuse_leftovers"
NAMED_CHECK = "named_check"
RECORD_CHECK = "record_check"
RUN_ACTION = "run_action"
PREPARE_ACTION = "prepare_action"
NAMED_ACTION = "named_action"
SWEEP = "sweep"

SITE_PREFIX = "site-"
"""A site's task queue is this and its key."""

SITE_BYTES = 64 * 1024
"""Of what an action of a site is told, and of what it answers: both stand in the history, 50 MiB at most."""

BATCH_COMMANDS = 200
BATCH_ANSWERS = 10
"""Of automatic actions in one batch: what each says is kept in the journal, 64 KiB at most."""
BATCH_EXECUTIONS = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceKey:
    """Which instance of which tenant; UUIDs as text."""

    tenant_id: str
    instance_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort:
    """One event for many subjects on the wire; see `models.flow.cohorts.Cohort`."""

    event: Annotated[Event, Discriminator("kind")]
    subjects: tuple[int, ...] = ()
    command_id: str | None = None

    def core(self) -> CoreCohort:
        """As the core knows it."""
        return CoreCohort(event=self.event, subjects=self.subjects, command_id=self.command_id)


def wire(cohorts: tuple[CoreCohort, ...]) -> tuple[Cohort, ...]:
    """The core's cohorts as they travel."""
    return tuple(Cohort(event=c.event, subjects=c.subjects, command_id=c.command_id) for c in cohorts)


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceInfo:
    """What does not change about an instance; for search attributes, summaries and children."""

    identifier: str
    name: str
    process_key: str
    process_name: str
    category: str
    tenant_key: str
    site: str
    parent_instance_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadRequest:
    """What a run needs to begin; `with_state` where it carries none of its own."""

    key: InstanceKey
    with_state: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """An instance as PostgreSQL knows it.

    Attributes:
        process_id, graph: the pinned process version, in canonical JSON.
        packed: `graph` where its instructions and forms make it long, compressed; see `Recorded.packed`.
        state: carried form of the journal's fold (`models.flow.carry`); None where the caller brought its own.
        rechecks: executions that can move by themselves, wait, or await a sign-off; a run that came back looks again.
        unsettled: accepted commands without an outcome, oldest first.
        children_ended: children of which the parent has not heard yet, with their last status.
    """

    info: InstanceInfo
    process_id: str = ""
    graph: Mapping[str, Any]
    packed: str = ""
    subjects: int
    state: Mapping[str, Any] | None
    rechecks: tuple[Ref, ...] = ()
    unsettled: tuple[str, ...] = ()
    children_ended: tuple[tuple[str, str], ...] = ()

    def slim(self) -> "Loaded":
        """The same, as small as it may have to be."""
        text = json.dumps(self.graph, ensure_ascii=False).encode()
        return self if len(text) <= LARGE_TEXT else replace(self, graph={}, packed=pack(text))

    def process(self) -> Mapping[str, Any]:
        """The process version's JSON."""
        return json.loads(unpack(self.packed)) if self.packed else self.graph


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionCall:
    """One attempt at the automatic action of an execution; `call_id` stays the same however often it is repeated."""

    key: InstanceKey
    ref: Ref
    call_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteCall:
    """What a named action of a site is told.

    Attributes:
        action: its name, as the site's entry point registers it.
        call_id: the same however often it is tried; where it must not happen twice, look whether this id was here.
        args: what the step's expression came to, `{}` without one.
        instance, subject: `id` and `identifier` of whom it is for.
        step: key of the step that asks.
    """

    action: str
    call_id: str
    args: Any = field(default_factory=dict)
    instance: Mapping[str, str] = field(default_factory=dict)
    subject: Mapping[str, str] = field(default_factory=dict)
    step: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteOrder:
    """A named action that is to be carried out, and the key of the site whose worker does it."""

    site: str
    call: SiteCall


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionAnswer:
    """How an automatic action came back: with its output, or with why it failed for good."""

    ref: Ref
    call_id: str
    succeeded: bool
    output: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One batch: people's commands by id, and what the engine has to look at by itself.

    Attributes:
        subjects: of an instance that is to begin; 0 afterwards.
        commands: ids in the order in which they came; at most `BATCH_COMMANDS`.
        rechecks: executions to look at without a person.
        children: nested instances that ended, with their last status.
        started: nested instances whose workflow runs now.
        deadlines: whether one may have passed.
        answers: automatic actions that came back; at most `BATCH_ANSWERS`.
    """

    subjects: int = 0
    commands: tuple[str, ...] = ()
    rechecks: tuple[Ref, ...] = ()
    children: tuple[tuple[str, str], ...] = ()
    started: tuple[str, ...] = ()
    deadlines: bool = False
    answers: tuple[ActionAnswer, ...] = ()

    def __bool__(self) -> bool:
        """Whether there is anything to do."""
        asked = self.subjects or self.commands or self.rechecks
        return bool(asked or self.children or self.started or self.deadlines or self.answers)

    def pieces(self) -> tuple["Work", ...]:
        """Each thing alone, so that one that cannot be borne does not stop the others."""
        return (
            *(Work(commands=(one,)) for one in self.commands),
            *(Work(rechecks=(one,)) for one in self.rechecks),
            *(Work(children=(one,)) for one in self.children),
            *(Work(started=(one,)) for one in self.started),
            *(Work(answers=(one,)) for one in self.answers),
            *((Work(deadlines=True),) if self.deadlines else ()),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AdvanceRequest:
    """A batch to be decided and recorded.

    Attributes:
        expected_seq: the journal position of the run's state.
        now: workflow time.
        state: carried form of the run's state (`models.flow.carry`), where the worker may not have it (`forgotten`).
    """

    key: InstanceKey
    expected_seq: int
    now: datetime
    work: Work
    state: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRequest:
    """What the run itself has to say, without a decision: it took over, or something cannot be borne.

    Attributes:
        expected_seq: the journal position that the run knows.
        cohorts: what happened; nothing where a run only wants to know what it missed.
    """

    key: InstanceKey
    expected_seq: int
    cohorts: tuple[Cohort, ...] = ()
    outcomes: tuple[Outcome, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What advance or record did.

    Attributes:
        status: `recorded`: written, `cohorts` is what happened. `behind`: nothing written, `cohorts` (after a large gap
            `state`) is what happened meanwhile. `idle`: nothing to write, all was settled or came to nothing.
            `forgotten`: nothing done, the worker needs the state. `rejected`: nothing written, the database refuses
            this batch for good (SQLSTATE class 22 or 23).
        seq: journal position afterwards.
        settled: where record is `behind`: commands of the request that have their outcome already.
        deferred: commands that must come with a later batch.
        later: executions to be looked at, or whose action's answer is to be taken, after the commands of this batch.
        packed: `cohorts` where they are many or long, as compressed JSON: the history keeps them, and an answer of over
            2 MiB would fail the workflow task for ever. What is too large for that comes as `state`.
    """

    status: Literal["recorded", "behind", "idle", "forgotten", "rejected"]
    seq: int
    cohorts: tuple[Cohort, ...] = ()
    packed: str = ""
    state: Mapping[str, Any] | None = None
    settled: tuple[str, ...] = ()
    deferred: tuple[str, ...] = ()
    later: tuple[Ref, ...] = ()
    error: str = ""

    def slim(self) -> "Recorded":
        """The same, as small as it may have to be."""
        weight = sum(EVENT_WEIGHT + len(cohort.subjects) for cohort in self.cohorts)
        text = _COHORTS.dump_json(self.cohorts)
        if weight <= LARGE and len(text) <= LARGE_TEXT:
            return self
        return replace(self, cohorts=(), packed=pack(text))

    @property
    def fits(self) -> bool:
        """Whether it can travel once it is slim: a context or notes may be longer than any answer."""
        return len(self.packed) <= LARGEST

    def as_state(self, state: Mapping[str, Any]) -> "Recorded":
        """The same, told by the state that it leads to; what people wrote is no part of it."""
        return replace(self, cohorts=(), packed="", state=state)

    def happened(self) -> tuple[CoreCohort, ...]:
        """The cohorts as the core knows them."""
        cohorts = _COHORTS.validate_json(unpack(self.packed)) if self.packed else self.cohorts
        return tuple(cohort.core() for cohort in cohorts)


LARGE, EVENT_WEIGHT = 2_000, 30
"""From which weight on an answer is compressed; what an event weighs, compared with the number of a subject."""
LARGE_TEXT = 64 * 1024
"""From how many bytes on it is compressed whatever it weighs."""
_COHORTS: TypeAdapter[tuple[Cohort, ...]] = TypeAdapter(tuple[Cohort, ...])


@dataclass(frozen=True, slots=True, kw_only=True)
class BareCommand:
    """A command by bare signal, from a script or Temporal's Web UI; acts as the site's service account.

    Attributes:
        id: chosen by the caller, so that a Reset cannot repeat it.
        execution_id: which execution; empty for `cancel` of the whole instance by ops.
    """

    id: str
    kind: str
    execution_id: str = ""
    decision_result: str = ""
    notes: str = ""
    reason: str = ""
    actor: str = "svc"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckCall:
    """What a named check of a site is told.

    Attributes:
        check: its name, as the site's entry point registers it.
        run: id of this run; a retry has the same.
        parameters: of the requirement.
        evidence: what was sent with the request.
        world: `execution`, `instance`, `subject`, `context`, as expressions see them, when it was asked for.
    """

    check: str
    run: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    evidence: Mapping[str, Any] = field(default_factory=dict)
    world: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckVerdict:
    """What a check says. `carried_out` is false where nobody could say: no such check, no worker, out of time."""

    passed: bool
    reason: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    carried_out: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRequest:
    """A run of a check, from the request to the verdict in the evidence.

    Attributes:
        queue: the site's task queue.
        wait_seconds: how long a worker of the site may take to pick it up.
        timeout_seconds: of one attempt.
        retries: attempts after the first one.
    """

    tenant_id: str
    execution_id: str
    requirement_id: str
    queue: str
    wait_seconds: float
    timeout_seconds: float
    retries: int
    call: CheckCall


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """The verdict of a run, to be kept as evidence."""

    tenant_id: str
    execution_id: str
    requirement_id: str
    run: str
    verdict: CheckVerdict


@dataclass(frozen=True, slots=True, kw_only=True)
class BareRequest:
    """Bare commands to be accepted as command rows; ids already known are left as they are."""

    key: InstanceKey
    commands: tuple[BareCommand, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftoverRequest:
    """Commands that reached an instance after its end."""

    key: InstanceKey
    command_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What one look of the sweep set right.

    Attributes:
        skipped: looks that fell out because another worker was at it.
        restarted: open instances that had no run.
        signalled: instances told again of commands that they had not settled.
        refused: closed instances whose late commands were refused.
        late: instances told to look at deadlines that had passed unmarked.
        superseded: tenants of which process versions were over.
        forgotten: messages that were kept long enough.
        cleared: deliveries that were.
        left: instances and tenants that could not be helped now.
    """

    skipped: int = 0
    restarted: int = 0
    signalled: int = 0
    refused: int = 0
    late: int = 0
    superseded: int = 0
    forgotten: int = 0
    cleared: int = 0
    left: int = 0

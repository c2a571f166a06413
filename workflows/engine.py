"""The record protocol of one instance: advance, fold what was recorded, again where the world moved (ADR 0007).

`Engine` owns the state. It changes only by what record returned.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from temporalio import workflow

from activities.contract import (
    AdvanceRequest,
    InstanceKey,
    Loaded,
    LoadRequest,
    Recorded,
    RecordRequest,
    Work,
    wire,
)
from models.flow import events as ev
from models.flow.batch import Happened, Outcome
from models.flow.carry import carry, restore
from models.flow.cohorts import pack
from models.flow.folding import fold_packed
from models.flow.graph import parse_graph
from models.flow.state import Child, Ref, State, incident_id
from models.flow.status import InstanceStatus
from workflows.calls import Poison, advance, load_instance, record
from workflows.contract import InstanceInput, Waiting


class Engine:
    """State and graph of one instance, and how they move."""

    def __init__(self, key: InstanceKey, loaded: Loaded, carried: Mapping[str, Any] | None) -> None:
        """Take over what the journal (`loaded.state`) or the run before (`carried`) knows."""
        self.key = key
        self.info = loaded.info
        self.graph = parse_graph(loaded.process())
        self._process_id = loaded.process_id
        state = loaded.state if carried is None else carried
        self.state = restore(state) if state is not None else State(instance_id=key.instance_id)
        self._remembered = False
        self.moved = 0
        """Executions to which something happened with the last record."""

    async def keep_up(self) -> None:
        """Take the graph of the version that a migration led to, to show it; advance decides by it already."""
        if self.state.process_id in {"", self._process_id}:
            return
        loaded = await load_instance(LoadRequest(key=self.key, with_state=False))
        self.info, self.graph = loaded.info, parse_graph(loaded.process())
        self._process_id = self.state.process_id

    async def begin(self, subjects: int) -> None:
        """First record of a new instance: every subject at the first step."""
        while self.state.seq == 0:
            await self._handle(Work(subjects=subjects))

    async def recover(self) -> None:
        """Say in the journal that this run took over from one that was lost."""
        before = self.state.seq
        while self.state.seq == before:
            event = ev.InstanceRecovered(at=workflow.now(), cause="run_gone")
            _raise_if_rejected(await self._say((Happened(event=event, command_id=None),)))

    @property
    def on_hold(self) -> bool:
        """Whether work stands still."""
        return self.state.status is InstanceStatus.ON_HOLD

    def due_hops(self) -> Iterator[Ref]:
        """Executions that may move by themselves and have not been looked at; none while on hold."""
        return iter(() if self.on_hold else self.state.hops)

    def unstarted_children(self) -> Iterator[tuple[str, Child]]:
        """Nested instances whose workflow does not run yet."""
        return ((child_id, child) for child_id, child in self.state.children.items() if not child.started)

    def carry_on(self, start: InstanceInput, inbox: Waiting) -> InstanceInput:
        """The input of the next run."""
        return InstanceInput(
            tenant_id=start.tenant_id,
            instance_id=start.instance_id,
            carried=carry(self.state),
            inbox=inbox,
            limits=start.limits,
        )

    async def handle(self, work: Work) -> Work:
        """Take one batch to its end.

        Returns:
            What has to come with a later batch.
        """
        try:
            return await self._handle(work)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not fail this task for ever (DESIGN §2.5)
            workflow.logger.warning("batch cannot be processed; its pieces go one by one: %s", told(error))
        back = [await self._handle_alone(piece) for piece in work.pieces()]
        return Work(
            commands=tuple(command for one in back for command in one.commands),
            rechecks=tuple(ref for one in back for ref in one.rechecks),
            answers=tuple(answer for one in back for answer in one.answers),
        )

    async def _handle(self, work: Work) -> Work:
        with_state = not self._remembered
        while work:
            recorded = await advance(
                AdvanceRequest(
                    key=self.key,
                    expected_seq=self.state.seq,
                    now=workflow.now(),
                    work=work,
                    state=carry(self.state) if with_state else None,
                )
            )
            self._fold(recorded)
            self._remembered = False
            _raise_if_rejected(recorded)
            if recorded.status == "recorded":
                self._remembered = True
                return _put_off(work, recorded)
            if recorded.status == "idle":
                self._forget_hops(tuple(ref for ref in work.rechecks if ref not in recorded.later))
                return _put_off(work, recorded)
            with_state = True
        return Work()

    async def _say(self, happened: tuple[Happened, ...], outcomes: tuple[Outcome, ...] = ()) -> Recorded:
        """Record what the run itself has to say."""
        recorded = await record(
            RecordRequest(key=self.key, expected_seq=self.state.seq, cohorts=wire(pack(happened)), outcomes=outcomes)
        )
        self._fold(recorded)
        self._remembered = False
        return recorded

    def _fold(self, recorded: Recorded) -> None:
        if recorded.state is not None:
            self.state = restore(recorded.state)
        elif happened := recorded.happened():
            self.moved = sum(len(cohort.subjects) for cohort in happened)
            self.state = fold_packed(self.state, happened)
            self.state.seq = recorded.seq

    async def _handle_alone(self, piece: Work) -> Work:
        """One thing; what cannot be borne even alone is refused, or becomes an incident where nobody asked for it."""
        try:
            return await self._handle(piece)
        except Exception as error:  # noqa: BLE001 - as above
            workflow.logger.error("%s cannot be processed: %s", piece, told(error))
            reason = told(error)
        try:
            if any(one.succeeded for one in piece.answers):
                # An answer that cannot be kept is no answer; the subject stops with an incident that says so.
                failed = tuple(replace(one, succeeded=False, output={}, error=reason) for one in piece.answers)
                return await self._handle(Work(answers=failed))
            await self._refuse(piece, reason)
        except Exception as error:  # noqa: BLE001 - as above; the sweep brings commands back
            workflow.logger.error("%s cannot even be refused: %s", piece, told(error))
        self._forget_hops(piece.rechecks)
        return Work()

    async def _refuse(self, piece: Work, reason: str) -> None:
        """Refusals of commands and incidents of executions that nobody asked about, until they are in the journal."""
        commands = piece.commands
        while refusals := self._refusals(commands, piece.rechecks, reason):
            outcomes = tuple(
                Outcome(command_id=one, ref=None, outcome=_CODE, refused=True, params={"error": reason})
                for one in commands
            )
            recorded = await self._say(refusals, outcomes)
            if recorded.status != "behind":
                break
            commands = tuple(one for one in commands if one not in recorded.settled)

    def _refusals(self, commands: tuple[str, ...], refs: tuple[Ref, ...], reason: str) -> tuple[Happened, ...]:
        now, params = workflow.now(), {"error": reason}
        refused = ev.CommandRefused(ref=None, at=now, code=_CODE, params=params)
        stuck = [ref for ref in refs if ref in self.state.tokens and self.state.tokens[ref].incident is None]
        opened = (
            ev.IncidentOpened(
                ref=ref,
                at=now,
                incident_id=str(incident_id(self.key.instance_id, ref, self.state.seq)),
                code=_CODE,
                params=params,
            )
            for ref in stuck
        )
        return (
            *(Happened(event=refused, command_id=one) for one in commands),
            *(Happened(event=event, command_id=None) for event in opened),
        )

    def _forget_hops(self, refs: tuple[Ref, ...]) -> None:
        """A look that came to nothing must not be taken again at once; evidence or a sweep brings it back."""
        if not self.on_hold:
            for ref in refs:
                self.state.hops.pop(ref, None)


def _put_off(work: Work, recorded: Recorded) -> Work:
    """What has to come with a later batch."""
    answers = tuple(one for one in work.answers if one.ref in recorded.later)
    looks = tuple(ref for ref in recorded.later if ref in work.rechecks)
    return Work(commands=recorded.deferred, rechecks=looks, answers=answers)


_CODE = "internal_error"


def told(error: Exception) -> str:
    """An exception in one line."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:300]


def _raise_if_rejected(recorded: Recorded) -> None:
    if recorded.status == "rejected":
        raise Poison(recorded.error)

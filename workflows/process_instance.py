"""One workflow instance: signals in, journal out (ADR 0001). A thin shell around `models.flow`.

Handlers only append to the inbox. One loop takes a batch, reads facts, decides, records, folds what record returned,
and sets off what follows (timer, children, search attributes). No coroutine per subject, no decision outside the core.
"""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.contract import BareCommand, InstanceKey, LoadRequest
    from models.flow.state import Ref
    from models.flow.status import INSTANCE_CLOSED
    from models.flow.timing import next_deadline, ringing
    from workflows import details
    from workflows.actions import Actions
    from workflows.calls import Poison, accept_bare, load_instance, refuse_leftovers
    from workflows.contract import WORKFLOW, BareSignal, ChildNews, InstanceInput
    from workflows.effects import start_children
    from workflows.engine import Engine, told
    from workflows.inbox import Inbox

LONG_TASK = 20_000
"""Moves of executions (a start, a completion, an entry) after which the next pass gets a workflow task of its own."""
BREATH = timedelta(milliseconds=1)
"""As asked for; the server takes half a second over a timer, however short, so it is not taken after every pass."""


@workflow.defn(name=WORKFLOW)
class ProcessInstance:
    """Interprets the stored step graph of one process version for n subjects."""

    @workflow.init
    def __init__(self, start: InstanceInput) -> None:
        """Signals may arrive before `run`, so everything that a handler touches is made here."""
        self._start = start
        self._key = InstanceKey(tenant_id=start.tenant_id, instance_id=start.instance_id)
        self._inbox = Inbox.of(start.inbox)
        self._actions = Actions(self._key, self._inbox)
        self._engine: Engine | None = None
        self._timer: asyncio.Task[None] | None = None
        self._timer_at: datetime | None = None
        self._deadline_rang = False
        self._passes = 0
        self._moved = 0
        self._shown: dict[str, object] = {}
        self._shown_at: datetime | None = None
        self._showing: asyncio.Task[None] | None = None

    @workflow.run
    async def run(self, _start: InstanceInput) -> str:
        """Serve the instance until it is closed. A cancel from Temporal's Web UI is a command by `ops:temporal`."""
        serving = asyncio.create_task(self._serve_or_fail())
        while not serving.done():
            try:
                await asyncio.shield(serving)
            except asyncio.CancelledError:
                if serving.cancelled():
                    raise
                self._inbox.bare.append(_cancel_by_ops())
        following = serving.result()
        if isinstance(following, InstanceInput):
            workflow.continue_as_new(following)
        return following

    @workflow.signal
    def commands(self, ids: list[str]) -> None:
        """Accepted command rows to be handled."""
        self._inbox.signals += 1
        self._inbox.commands.update(dict.fromkeys(ids))

    @workflow.signal
    def evidence_changed(self, refs: list[Ref]) -> None:
        """Executions whose evidence changed and which may therefore move by themselves."""
        self._inbox.signals += 1
        self._inbox.evidence.update(dict.fromkeys(refs))

    @workflow.signal
    def child_ended(self, news: ChildNews) -> None:
        """A nested instance completed or was cancelled."""
        self._inbox.signals += 1
        self._inbox.children[news.child_id] = news.status

    @workflow.signal
    def check_deadlines(self) -> None:
        """Deadlines have passed without a mark; the sweep takes the timer for lost."""
        self._inbox.signals += 1
        self._deadline_rang = True

    @workflow.signal
    def claim(self, message: BareSignal) -> None:
        """Claim as the site's service account."""
        self._take_bare("claim", message)

    @workflow.signal
    def start(self, message: BareSignal) -> None:
        """Start as the site's service account."""
        self._take_bare("start", message)

    @workflow.signal
    def complete(self, message: BareSignal) -> None:
        """Complete as the site's service account."""
        self._take_bare("complete", message)

    @workflow.signal
    def release(self, message: BareSignal) -> None:
        """Release as the site's service account."""
        self._take_bare("release", message)

    def _take_bare(self, kind: str, message: BareSignal) -> None:
        self._inbox.signals += 1
        self._inbox.bare.append(
            BareCommand(
                id=message.id,
                kind=kind,
                execution_id=message.execution_id,
                decision_result=message.decision_result,
                notes=message.notes,
                reason=message.reason,
            )
        )

    async def _serve_or_fail(self) -> InstanceInput | str:
        """Serve; an error that nothing isolates ends this run visibly, and the sweep starts another from the journal.

        It must not leave a workflow task that fails for ever (DESIGN §2.5).
        """
        try:
            return await self._serve()
        except Exception as error:
            raise ApplicationError(f"{type(error).__name__}: {told(error)}", non_retryable=True) from error

    async def _serve(self) -> InstanceInput | str:
        engine = await self._load()
        while engine.state.status not in INSTANCE_CLOSED:
            self._show(engine)
            self._arm_timer(engine)
            self._actions.keep_up(engine)
            if self._should_continue_as_new() and not any(engine.unstarted_children()):
                # In a later task: whoever got an answer in this one sends again at once, and a signal that comes while
                # a run continues fails its task, so that all of its history is replayed. Until then nobody is answered.
                await workflow.sleep(BREATH)
                return engine.carry_on(self._start, self._inbox.leftovers())
            await workflow.wait_condition(lambda: self._has_work(engine))
            await self._pass(engine)
            await engine.keep_up()
            self._moved += engine.moved
            if self._moved >= LONG_TASK and self._has_work(engine):
                self._moved = 0
                # Ends the workflow task, which would go on through all batches of a bulk command: what was recorded is
                # in the history, signals come in, and Temporal does not take the task for stuck.
                await workflow.sleep(BREATH)
        self._show(engine)
        for waiting in (self._timer, self._showing):
            if waiting is not None:
                waiting.cancel()
        self._actions.stop()
        await self._settle_the_rest()
        return engine.state.status.value

    async def _pass(self, engine: Engine) -> None:
        """One turn of the loop: everything that queued up goes as one batch."""
        self._passes += 1
        await self._accept_bare()
        started = await start_children(self._start, engine)
        rang, self._deadline_rang = self._deadline_rang, False
        deadline = next_deadline(engine.state) if rang else None
        late = deadline is not None and deadline <= workflow.now()
        if late:
            self._inbox.evidence.update(dict.fromkeys(ringing(engine.state, workflow.now())))
        taken = self._inbox.take(looking=not engine.on_hold, hops=engine.due_hops())
        put_back = await engine.handle(replace(taken, started=started, deadlines=late))
        self._inbox.put_back(put_back.commands, put_back.rechecks, put_back.answers)

    async def _accept_bare(self) -> None:
        """Make commands of bare signals; one that cannot even be stored is dropped, for there is nobody to tell."""
        bare, self._inbox.bare = tuple(self._inbox.bare), []
        pieces = [bare] if bare else []
        while pieces:
            piece = pieces.pop(0)
            try:
                self._inbox.commands.update(dict.fromkeys(await accept_bare(self._key, piece)))
            except Poison as error:
                if len(piece) > 1:
                    pieces = [(one,) for one in piece]
                else:
                    workflow.logger.warning("signal %s dropped: %s", piece[0].kind, told(error))

    async def _load(self) -> Engine:
        loaded = await load_instance(LoadRequest(key=self._key, with_state=self._start.carried is None))
        engine = Engine(self._key, loaded, self._start.carried)
        self._engine = engine
        if self._start.carried is None:
            self._inbox.commands.update(dict.fromkeys(loaded.unsettled))
            self._inbox.evidence.update(dict.fromkeys(loaded.rechecks))
            self._inbox.children.update(loaded.children_ended)
            workflow.upsert_search_attributes(details.fixed_attributes(loaded.info))
            if engine.state.seq == 0:
                await engine.begin(loaded.subjects)
            elif engine.state.status not in INSTANCE_CLOSED:
                await engine.recover()
        return engine

    async def _settle_the_rest(self) -> None:
        """What came too late is refused, also what comes while that is being done."""
        while self._inbox.bare or self._inbox.commands:
            await self._accept_bare()
            commands = tuple(self._inbox.commands)
            self._inbox.commands.clear()
            await refuse_leftovers(self._key, commands)

    def _has_work(self, engine: Engine) -> bool:
        return (
            self._deadline_rang
            or self._inbox.has_work(looking=not engine.on_hold)
            or any(engine.due_hops())
            or any(engine.unstarted_children())
        )

    def _should_continue_as_new(self) -> bool:
        """Each run handles at least one batch, so that it gets somewhere however small the limits are."""
        info = workflow.info()
        limits = self._start.limits
        return self._passes > 0 and (
            info.is_continue_as_new_suggested()
            or info.get_current_history_length() >= limits.events
            or self._inbox.signals >= limits.signals
        )

    def _arm_timer(self, engine: Engine) -> None:
        """One timer at the earliest deadline. A deadline that moves away leaves it to fire early (two events less)."""
        target = next_deadline(engine.state)
        if target is None or (self._timer_at is not None and self._timer_at <= target):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = target
        self._timer = asyncio.create_task(self._ring(target))

    async def _ring(self, target: datetime) -> None:
        remaining = max(target - workflow.now(), timedelta())
        await workflow.sleep(remaining, summary=f"earliest deadline {target:%Y-%m-%d %H:%M} UTC")
        self._timer, self._timer_at, self._deadline_rang = None, None, True

    def _show(self, engine: Engine) -> None:
        """Search attributes only on change, and steps alone not more often than `quiet_seconds`; details cost nothing.

        An upsert is an event and a write to Temporal's visibility store, a third of what a completion costs there.
        """
        workflow.set_current_details(details.markdown(engine.info, engine.state, engine.graph))
        now = details.moving_attributes(engine.state, engine.graph)
        changed = {name: value for name, value in now.items() if self._shown.get(name) != value}
        if not changed:
            return
        quiet = self._quiet() if details.may_wait(changed) else timedelta()
        if quiet <= timedelta():
            workflow.upsert_search_attributes(details.updates(changed))
            self._shown, self._shown_at = now, workflow.now()
        elif self._showing is None:
            self._showing = asyncio.create_task(self._show_after(quiet, engine))

    def _quiet(self) -> timedelta:
        """How long the last upsert lets the next one wait."""
        if self._shown_at is None:
            return timedelta()
        return self._shown_at + timedelta(seconds=self._start.limits.quiet_seconds) - workflow.now()

    async def _show_after(self, quiet: timedelta, engine: Engine) -> None:
        await workflow.sleep(quiet, summary="steps to be shown in search attributes")
        self._showing = None
        self._show(engine)


def _cancel_by_ops() -> BareCommand:
    return BareCommand(
        id=f"temporal-cancel/{workflow.info().run_id}",
        kind="cancel",
        reason="Cancelled in Temporal",
        actor="ops:temporal",
    )

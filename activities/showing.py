"""What executions show after a record, told from what they showed before and from what happened: no question asked.

The plainest commands (claim, start, release, complete) are most of all commands, and their answers show one execution
and those that its subject entered. What is known of these is enough; of everything else `Showing` says that it cannot
tell, and record asks the database (`models.store.views`). A test holds both to the same words.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from activities.batching import ref_of
from activities.contract import Cohort
from activities.projection import Place, released
from models.flow import events as ev
from models.flow.graph import Graph
from models.flow.state import State
from models.store.views import execution_json, moment, person_json
from models.tables import StepExecution

Json = dict[str, Any]

_SHOWS_NOTHING = (ev.CommandRefused, ev.CommandRepeated, ev.ExecutionChecked, ev.SubjectFinished)
"""Events of an execution that change nothing of what it shows."""


@dataclass(frozen=True, slots=True)
class Showing:
    """The executions of a batch as they are before its record.

    Attributes:
        rows: executions that were read; only of plain rows (`activities.facts.Reading`) is enough known.
        names: username by id, of everybody whom the batch concerns.
    """

    rows: Sequence[Any]
    names: Mapping[str, str]
    graph: Graph
    state: State

    def after(self, place: Place, cohorts: Sequence[Cohort], wanted: Collection[UUID]) -> dict[UUID, Json] | None:
        """What the executions `wanted` show once all of it has happened, by id; None where it cannot be told."""
        rows = [row for row in self.rows if row.id in wanted]
        if any(isinstance(row, StepExecution) or row.exited_at is not None or self._stopped(row) for row in rows):
            return None
        views = {row.id: self._before(row) for row in rows}
        subjects = {row.subject_no: views[row.id]["subject"] for row in rows}
        for cohort in cohorts:
            event: Any = cohort.event
            concerned = [subject for subject in cohort.subjects if subject in subjects]
            if not concerned or isinstance(event, _SHOWS_NOTHING):
                continue
            for subject, execution in zip(concerned, place.ids(event.ref, concerned), strict=True):
                if execution not in wanted:
                    continue
                if isinstance(event, ev.ExecutionEntered):
                    views[execution] = self._entered(place, execution, event) | {"subject": subjects[subject]}
                elif execution not in views or not self._changed(views[execution], event):
                    return None
        return views if views.keys() == set(wanted) and self._names_all(views.values()) else None

    def _stopped(self, row: Any) -> bool:
        token = self.state.tokens.get(ref_of(row))
        return row.step_key not in self.graph.steps or token is None or token.incident is not None

    def _before(self, row: Any) -> Json:
        step = self.graph.steps[row.step_key]
        nothing = dict.fromkeys(("next_key", "next_name", "incident_id"))
        return execution_json({**row._asdict(), **nothing, "step_name": step.name, "assignee_name": row.holder})

    def _entered(self, place: Place, execution: UUID, event: ev.ExecutionEntered) -> Json:
        ref, assignee = event.ref, event.assignee
        return {
            "id": str(execution),
            "workflow": str(place.instance),
            "step": self._step(ref.step),
            "visit_number": ref.visit,
            "status": "pending" if assignee is None else "claimed",
            "assigned_to": self._person(assignee),
            "entered_at": moment(event.at),
            "started_at": None,
            "exited_at": None,
            "due_at": moment(event.due_at),
            "decision_result": "",
            "next_step": None,
            "overdue": False,
            "branch": ref.branch,
            "lot": event.lot,
            "priority": event.priority,
            "notes": "",
            "wake_at": moment(event.wake_at),
            "awaits": None,
            "incident": None,
        }

    def _changed(self, view: Json, event: ev.Event) -> bool:
        """Let it happen to the view; False where it is nothing plain."""
        match event:
            case ev.ExecutionClaimed(by=by):
                view |= {"status": "claimed", "assigned_to": self._person(by)}
            case ev.ExecutionStarted(at=at, by=by):
                begun = view["started_at"] or moment(at)
                view |= {"status": "in_progress", "assigned_to": self._person(by), "started_at": begun}
            case ev.ExecutionReleased(reason=reason):
                view |= {"status": "pending", "assigned_to": None, "started_at": None}
                _note(view, released(reason))
            case ev.SignoffAwaited(result=result, notes=notes):
                view |= {"status": "awaiting_signoff", "decision_result": result}
                _note(view, notes)
            case ev.BatchAwaited(result=result, notes=notes):
                view |= {"status": "waiting", "decision_result": result}
                _note(view, notes)
            case ev.ExecutionCompleted(at=at, result=result, next_step=following, notes=notes):
                onward = None if following is None else self._step(following)
                done = {"status": "completed", "exited_at": moment(at), "decision_result": result}
                view |= {**done, "next_step": onward}
                _note(view, notes)
            case _:
                return False
        return True

    def _step(self, key: str) -> Json:
        return {"key": key, "name": self.graph.steps[key].name}

    def _person(self, user: str | None) -> Json | None:
        return person_json(user, None if user is None else self.names.get(user))

    def _names_all(self, views: Collection[Json]) -> bool:
        people = (view["assigned_to"] for view in views)
        return all(one is None or one["username"] is not None for one in people)


def _note(view: Json, more: str) -> None:
    view["notes"] = "\n".join(one for one in (view["notes"], more) if one)

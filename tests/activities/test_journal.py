"""Rows of the journal as events, whatever release wrote them."""

from datetime import UTC, datetime

from activities.journal import cohort_of, event_data
from models.flow import events as ev
from models.flow.state import Ref

ENDED = ev.ActionEnded(ref=Ref(0, "a"), at=datetime(2026, 5, 4, tzinfo=UTC), call_id="c", succeeded=True)


def test_an_action_that_ended_before_requests_were_kept_is_read_without_a_hash() -> None:
    data = event_data(ENDED)
    del data["request_sha256"]
    row = {"kind": "action_ended", "data": data, "subjects": [0], "command_id": None}
    assert cohort_of(row).event == ENDED

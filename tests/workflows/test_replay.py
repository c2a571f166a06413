"""Recorded histories replay: what runs today goes on under the code of tomorrow (TEMPORAL: determinism)."""

from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from workers.sandbox import workflow_runner
from workflows.converter import data_converter
from workflows.process_instance import ProcessInstance

HISTORIES = sorted((Path(__file__).parent / "histories").glob("*.json"))


def test_there_are_histories_and_one_chain_crosses_continue_as_new() -> None:
    assert len(HISTORIES) >= 5
    assert any("CONTINUED_AS_NEW" in path.read_text() for path in HISTORIES)


@pytest.fixture(params=HISTORIES, ids=lambda path: path.stem)
def history(request: pytest.FixtureRequest) -> WorkflowHistory:
    """One recorded run."""
    return WorkflowHistory.from_json(request.param.stem, request.param.read_text())


async def test_a_recorded_history_replays(history: WorkflowHistory) -> None:
    replayer = Replayer(workflows=[ProcessInstance], workflow_runner=workflow_runner(), data_converter=data_converter)
    await replayer.replay_workflow(history)

"""The health check of a worker container."""

import socket

import pytest
from temporalio import activity
from temporalio.client import Client
from temporalio.worker import Worker

from models.settings import Settings
from workers.embedded.temporal import EmbeddedTemporal
from workers.polling import queues, queues_without_us


@activity.defn
async def nothing() -> None:
    """Something to serve."""


def settings(**chosen: object) -> Settings:
    return Settings.model_validate({"site": "polling", "core_task_queue": "polling-core", **chosen})


def test_which_queues_a_worker_serves_follows_from_its_settings() -> None:
    assert set(queues(settings())) == {"polling-core", "site-polling"}
    assert set(queues(settings(run_core=False))) == {"site-polling"}
    assert set(queues(settings(run_site=False))) == {"polling-core"}


async def test_a_queue_counts_only_while_this_machine_polls_it(
    temporal: EmbeddedTemporal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", temporal.address)
    assert await queues_without_us(settings()) == ("polling-core", "site-polling")
    client = await Client.connect(temporal.address, identity=f"1@{socket.gethostname()}")
    async with Worker(client, task_queue="site-polling", activities=[nothing]):
        while await queues_without_us(settings(run_core=False)):
            pass
        monkeypatch.setattr(socket, "gethostname", lambda: "another-machine")
        assert await queues_without_us(settings(run_core=False)) == ("site-polling",)

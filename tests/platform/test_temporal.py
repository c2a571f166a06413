"""The embedded Temporal server: its ports, its data, its end."""

import os
import signal
import socket
from pathlib import Path

import pytest
from temporalio.client import Client

from workers.embedded.process import LOOPBACK, living
from workers.embedded.temporal import EmbeddedTemporal, TemporalPorts
from workers.search_attributes import SearchAttributeConflictError, ensure_search_attributes

ANY = TemporalPorts(grpc=0, ui=0)


def pid_of(server: EmbeddedTemporal) -> int:
    assert server.pid is not None
    return server.pid


async def test_workflows_and_addresses_outlive_a_restart_and_kill_9(tmp_path: Path) -> None:
    with EmbeddedTemporal(tmp_path, ports=ANY) as server:
        client = await Client.connect(server.address)
        await client.start_workflow("Anything", id="kept", task_queue="nobody-polls")
        first = server.ports
        os.kill(pid_of(server), signal.SIGKILL)
    with EmbeddedTemporal(tmp_path) as server:
        assert server.ports == first
        handle = (await Client.connect(server.address)).get_workflow_handle("kept")
        assert (await handle.describe()).id == "kept"


def test_a_busy_port_is_evaded(tmp_path: Path) -> None:
    with socket.create_server((LOOPBACK, 0)) as busy:
        taken = int(busy.getsockname()[1])
        with EmbeddedTemporal(tmp_path, ports=TemporalPorts(grpc=taken, ui=0)) as server:
            assert server.ports.grpc != taken
            assert server.healthy()


def test_a_server_left_running_by_a_dead_parent_is_ended_first(tmp_path: Path) -> None:
    with EmbeddedTemporal(tmp_path, ports=ANY) as orphan:
        pid = pid_of(orphan)
        with EmbeddedTemporal(tmp_path, ports=ANY) as server:
            assert living(pid) is None
            assert server.healthy()


async def test_search_attributes_are_made_once(temporal: EmbeddedTemporal) -> None:
    client = await Client.connect(temporal.address)
    wanted = {"PlatformTestKey": "Keyword", "PlatformTestLate": "Bool"}
    assert await ensure_search_attributes(client, wanted) == ("PlatformTestKey", "PlatformTestLate")
    assert await ensure_search_attributes(client, wanted) == ()


async def test_a_search_attribute_of_another_type_is_an_error(temporal: EmbeddedTemporal) -> None:
    client = await Client.connect(temporal.address)
    await ensure_search_attributes(client, {"PlatformTestKind": "Keyword"})
    with pytest.raises(SearchAttributeConflictError, match="PlatformTestKind"):
        await ensure_search_attributes(client, {"PlatformTestKind": "Int"})

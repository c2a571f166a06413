"""A plant whose worker runs in the test's own event loop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from temporalio.client import Client

from activities.registry import core_activities
from models.secret_box import secret_box
from tests.support.meddling import Meddle, meddled
from tests.support.plant import Plant, settings_for
from workers.embedded.temporal import EmbeddedTemporal
from workers.run_worker import core_worker, serve
from workers.search_attributes import ensure_search_attributes
from workflows.contract import SEARCH_ATTRIBUTES
from workflows.converter import data_converter


@pytest.fixture
async def client(temporal: EmbeddedTemporal) -> Client:
    """A connection to the test's Temporal server, with our search attributes."""
    connected = await Client.connect(temporal.address, data_converter=data_converter)
    await ensure_search_attributes(connected, SEARCH_ATTRIBUTES)
    return connected


@pytest.fixture
async def idle_plant(database: str, client: Client) -> AsyncIterator[Plant]:
    """A plant whose worker is not running; see `working`."""
    plant = Plant(settings=settings_for(database, f"test-{uuid4().hex[:8]}"), client=client)
    await plant.open()
    yield plant
    await plant.prove()
    await plant.close()


@asynccontextmanager
async def working(plant: Plant) -> AsyncIterator[None]:
    """Run the plant's worker, dispatcher and sweep for the length of the block."""
    stop = asyncio.Event()
    serving = asyncio.create_task(serve(plant.settings, plant.client, stop))
    try:
        yield
    finally:
        stop.set()
        await serving


@asynccontextmanager
async def meddling(plant: Plant, **meddles: Meddle) -> AsyncIterator[None]:
    """Run the plant's worker with something around the activities named; no dispatcher, no sweep."""
    activities = meddled(core_activities(plant.app, site="main", box=secret_box(plant.settings)), meddles)
    async with core_worker(plant.settings, plant.client, activities):
        yield


@pytest.fixture
async def plant(idle_plant: Plant, request: pytest.FixtureRequest) -> AsyncIterator[Plant]:
    """A plant at work; marked `private_targets` its deployment allows targets on loopback."""
    if request.node.get_closest_marker("private_targets"):
        idle_plant.settings = idle_plant.settings.model_copy(update={"private_targets_allowed": True})
    async with working(idle_plant):
        yield idle_plant

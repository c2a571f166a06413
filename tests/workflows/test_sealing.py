"""A worker seals the chains of all tenants when it starts."""

from tests.support.plant import Plant


async def test_a_worker_seals_when_it_starts(plant: Plant) -> None:
    sealed = await plant.until("SELECT count(*) AS number FROM chain_checkpoint HAVING count(*) > 0")
    assert sealed[0]["number"] >= 1

"""One installation for the walks of this folder: an API and two workers as separate processes."""

from collections.abc import Generator, Iterator
from uuid import uuid4

import pytest

from tests.e2e.people import Person, new_person
from tests.e2e.product import ADMIN_PASSWORD, Product
from workers.embedded.postgres import EmbeddedPostgres
from workers.embedded.process import tail
from workers.embedded.temporal import EmbeddedTemporal


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Function) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show with a failed test what the processes that it used have said."""
    report = yield
    if report.failed:
        used = [one for one in item.funcargs.values() if isinstance(one, Product)]
        report.sections += [(log.name, tail(log, 40)) for one in used for log in sorted(one.folder.glob("*.log"))]
    return report


@pytest.fixture(scope="session")
def product(
    postgres: EmbeddedPostgres, temporal: EmbeddedTemporal, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Product]:
    """The product, ready for requests."""
    name = f"e2e_{uuid4().hex[:8]}"
    with postgres.connect() as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    running = Product(
        folder=tmp_path_factory.mktemp("product"),
        database_url=postgres.url(name),
        temporal_address=temporal.address,
        queue=name,
    )
    with running:
        running.prepare()
        for process in ("worker-1", "worker-2", "api"):
            running.start(process)
        yield running


@pytest.fixture(scope="session")
def admin(product: Product) -> Iterator[Person]:
    """The first administrator."""
    with Person(product.base_url, "admin", ADMIN_PASSWORD) as person:
        yield person


@pytest.fixture(scope="session")
def engineer(admin: Person) -> Iterator[Person]:
    """Does the work."""
    with new_person(admin, "engineer") as person:
        yield person


@pytest.fixture(scope="session")
def quality_manager(admin: Person) -> Iterator[Person]:
    """Approves it."""
    with new_person(admin, "quality_manager") as person:
        yield person


@pytest.fixture(scope="session")
def approver(admin: Person) -> Iterator[Person]:
    """Approves for the customer."""
    with new_person(admin, "approver") as person:
        yield person

"""What an operator of the system sees of a running CAPA in Temporal's Web UI, and of the API in its documentation."""

from pathlib import Path

import pytest
from playwright.sync_api import FloatRect, Page, expect

from tests.e2e.people import Person
from tests.e2e.product import Product
from tests.e2e.walk import complete, instantiate, meet, start
from workers.embedded.temporal import EmbeddedTemporal

pytestmark = pytest.mark.browser

PATIENCE_MS = 30_000
TOP: FloatRect = {"x": 0, "y": 0, "width": 1440, "height": 760}


def test_a_running_capa_explains_itself(
    page: Page,
    pictures: Path,
    temporal: EmbeddedTemporal,
    admin: Person,
    engineer: Person,
    quality_manager: Person,
) -> None:
    process = instantiate(admin, "CAPA_8D")
    workflow = start(engineer, process, "CAPA", "Porosity in bore")
    for _ in range(3):
        execution = engineer.open_execution(workflow["id"])
        meet(execution["id"], engineer, quality_manager)
        complete(engineer, execution["id"])

    address = f"{temporal.ui_url}/namespaces/default/workflows/{workflow['id']}"
    page.goto(address)
    expect(page.get_by_text("earliest deadline").first).to_be_visible(timeout=PATIENCE_MS)
    page.get_by_text("User Metadata").first.click()
    told = page.locator("iframe").last.content_frame
    expect(told.get_by_text("D4: Root Cause Analysis").first).to_be_visible(timeout=PATIENCE_MS)
    expect(told.get_by_text("1 pending").first).to_be_visible(timeout=PATIENCE_MS)
    page.screenshot(path=pictures / "temporal-capa.png", clip=TOP)
    page.get_by_text("Event History").first.click()
    expect(page.get_by_text("1 command").first).to_be_visible(timeout=PATIENCE_MS)


def test_the_api_documents_itself_without_the_internet(page: Page, pictures: Path, product: Product) -> None:
    foreign: list[str] = []
    page.on("request", lambda request: None if product.base_url in request.url else foreign.append(request.url))
    page.goto(f"{product.base_url}/docs")
    page.get_by_role("link", name="executions", exact=True).click(timeout=PATIENCE_MS)
    expect(page.get_by_text("/api/executions/{execution_id}/complete/").first).to_be_visible(timeout=PATIENCE_MS)
    page.screenshot(path=pictures / "api-docs.png")
    assert [url for url in foreign if not url.startswith("data:")] == []

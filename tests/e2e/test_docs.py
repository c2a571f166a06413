"""The pages that are meant to be pasted into a terminal do what they say."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.e2e.product import ADMIN_PASSWORD, Product

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_the_capa_page_walks_to_closure(product: Product) -> None:
    script = "\n".join(BLOCK.findall((DOCS / "capa-with-curl.md").read_text()))
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        env={**os.environ, "APP": product.base_url, "ADMIN_PASSWORD": ADMIN_PASSWORD},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "requirements_unmet" in done.stdout
    assert "D8: Verification → advanced D4: Root Cause Analysis" in done.stdout
    assert "Closure → completed" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("walked ")

"""What sets the laws apart from the tables: their time, and their place where a mutant is looked for."""

import os

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the laws their time; for a mutant, tables come first: most fall to one, and the first that fails ends it.

    A law is many examples; what hangs is caught by their number and not by the clock of a single test.
    """
    for item in filter(_is_law, items):
        item.add_marker(pytest.mark.timeout(7_200))
    if os.environ.get("HYPOTHESIS_PROFILE") == "mutation":
        items.sort(key=_is_law)


def _is_law(item: pytest.Item) -> bool:
    return getattr(getattr(item, "obj", None), "is_hypothesis_test", False) is True

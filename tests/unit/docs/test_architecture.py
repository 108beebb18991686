"""The page on the architecture names functions that exist, in a way that is short enough."""

import re
from importlib import import_module
from pathlib import Path

import pytest

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "architecture.md").read_text("utf-8")
FUNCTIONS = re.findall(r"`(purposewatch_\w+(?:\.\w+){2,})`", PAGE)
STEPS = [int(number) for number in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)]
MOST_STEPS = 45


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_exists(name: str) -> None:
    """Its module can be imported and has it."""
    module, *attributes = name.split(".")
    found: object = import_module(module)
    while not hasattr(found, attributes[0]):
        module = f"{module}.{attributes.pop(0)}"
        found = import_module(module)
    for attribute in attributes:
        found = getattr(found, attribute)
    assert callable(found)


def test_way_is_short() -> None:
    """The steps are numbered without a gap, and an event passes at most so many functions."""
    assert list(range(1, len(STEPS) + 1)) == STEPS
    assert 0 < len(STEPS) <= MOST_STEPS

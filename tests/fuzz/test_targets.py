"""Every target holds its promises for what once broke them, for valid inputs, and for changed ones.

`make fuzz` runs many more inputs, others each time.
"""

import itertools

import pytest

from tests.fuzz.catalogue import TARGETS
from tests.fuzz.target import CASES, Target, watched

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_promises_are_kept(target: Target) -> None:
    """Nothing fails, takes long or much memory, or shows what it was sent."""
    changed = itertools.islice(target.inputs("make test"), target.brief)
    with watched(target) as check:
        for data in itertools.chain(target.corpus(), changed):
            check(data)


def test_every_case_belongs_to_a_target() -> None:
    """A folder of a target that was renamed would test nothing."""
    assert {path.name for path in CASES.iterdir()} <= TARGETS.keys()

"""Versions of a controller's policy follow one another."""

from datetime import UTC, datetime

import pytest

from purposewatch_policy.policy_set import PolicySet
from tests.unit.policy.library import NOW, POLICIES, VOCABULARY, policy

NEW_YEAR = datetime(2025, 1, 1, tzinfo=UTC)


def test_versions_are_in_the_order_of_their_time() -> None:
    """Whatever the order of loading, versions are listed from the earliest to the latest."""
    later = policy(version="2025", in_force_from=NEW_YEAR, in_force_until=None)
    policies = PolicySet({"library": VOCABULARY}, [later, policy()])
    versions = [each.policy.version for each in policies.versions("library")]
    assert versions == ["2024", "2025"]
    assert policies.version("library", "2025").begins == NEW_YEAR
    in_force = policies.in_force("library", NEW_YEAR)
    assert in_force is not None
    assert in_force.policy.version == "2025"


def test_overlapping_versions_are_refused() -> None:
    """With two versions in force at once it would be undefined which one decides."""
    later = policy(version="later", in_force_from=NOW, in_force_until=None)
    with pytest.raises(ValueError, match="versions of `library` overlap"):
        PolicySet({"library": VOCABULARY}, [policy(), later])


def test_controllers_are_listed() -> None:
    """A set names its controllers; others are unknown."""
    assert POLICIES.controllers == ("library",)
    with pytest.raises(KeyError):
        POLICIES.versions("museum")
    with pytest.raises(KeyError):
        POLICIES.version("library", "1999")


def test_statements_are_found_by_id() -> None:
    """A verdict's statement can be looked up in the version that it names."""
    compiled = POLICIES.version("library", "2024")
    assert compiled.statement("readers.courier").clause == "readers.2"
    with pytest.raises(KeyError):
        compiled.statement("nothing")

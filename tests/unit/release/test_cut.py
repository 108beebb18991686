"""A release has one version everywhere and its notes under it."""

import tomllib
from datetime import date

import pytest

from release.cut import ROOT, chart_with_version, distributions, with_release, with_version

CHANGELOG = """# Changelog

## [Unreleased]

### Added

- A thing.

## [0.1.0] - 2026-01-02

- The first.
"""


def test_unreleased_notes_move_under_the_version() -> None:
    """What comes next starts with an empty section."""
    text = with_release(CHANGELOG, "0.2.0", date(2026, 3, 2))
    assert text == CHANGELOG.replace(
        "## [Unreleased]\n", "## [Unreleased]\n\n## [0.2.0] - 2026-03-02\n"
    )


@pytest.mark.parametrize(
    ("changelog", "version", "message"),
    [
        (CHANGELOG, "0.1.0", "has a section for `0.1.0`"),
        (CHANGELOG.replace("### Added\n\n- A thing.\n", ""), "0.2.0", "no notes"),
        ("# Changelog\n", "0.2.0", "no notes"),
    ],
    ids=["released before", "no notes", "no section"],
)
def test_refuses_a_release_without_notes_or_twice(
    changelog: str, version: str, message: str
) -> None:
    """Nothing is written then."""
    with pytest.raises(ValueError, match=message):
        with_release(changelog, version, date(2026, 3, 2))


def test_only_the_version_changes() -> None:
    """Versions of dependencies stay."""
    before = '[project]\nname = "x"\nversion = "0.1.0"\ndependencies = ["y>=0.1.0"]\n'
    assert with_version(before, "0.2.0") == before.replace('version = "0.1.0"', 'version = "0.2.0"')


def test_the_chart_gets_the_version_of_its_images() -> None:
    """Both of its versions, and nothing else."""
    before = "apiVersion: v2\nversion: 0.1.0\nappVersion: 0.1.0\nkubeVersion: '>=1.31.0-0'\n"
    assert chart_with_version(before, "0.2.0") == before.replace("0.1.0", "0.2.0")
    with pytest.raises(ValueError, match=r"Chart\.yaml"):
        chart_with_version("version: 0.1.0\n", "0.2.0")


def test_every_distribution_has_the_version_of_the_repository() -> None:
    """`VERSION` is the one place to look at."""
    version = (ROOT / "VERSION").read_text(encoding="utf-8").strip()
    found = {
        str(path.relative_to(ROOT)): tomllib.loads(path.read_text(encoding="utf-8"))["project"][
            "version"
        ]
        for path in distributions()
    }
    assert len(found) > 1
    assert found == dict.fromkeys(found, version)

"""A digest identifies what a policy says."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from purposewatch_policy.files.directory import load_policies

SOUND = Path(__file__).parent / "sound"


def digest_of(tmp_path: Path, file: str, edit: Callable[[str], str]) -> str:
    shutil.copytree(SOUND, tmp_path, dirs_exist_ok=True)
    path = tmp_path / file
    path.write_text(edit(path.read_text(encoding="utf-8")), encoding="utf-8")
    (compiled,) = load_policies(tmp_path).versions("acme")
    return compiled.digest


@pytest.fixture(scope="module")
def original() -> str:
    (compiled,) = load_policies(SOUND).versions("acme")
    return compiled.digest


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("acme/policy.1.yaml", "controller: acme", "# a comment\ncontroller:   'acme'"),
        ("acme/policy.1.yaml", "[collect, use]", "\n      - collect\n      - use"),
        ("acme/policy.1.yaml", "2020-01-01T00:00:00+08:00", '"2019-12-31T16:00:00Z"'),
        ("vocabulary/common.yaml", "  collect:\n  use:\n", "  use:\n  collect:\n"),
    ],
)
def test_layout_does_not_change_it(
    tmp_path: Path, original: str, file: str, old: str, new: str
) -> None:
    """Comments, quoting, list style and the zone of a timestamp leave the digest as it is."""
    assert original == digest_of(tmp_path, file, lambda text: text.replace(old, new, 1))


def test_grouping_does_not_change_it(tmp_path: Path, original: str) -> None:
    """It is the same whether a statement names terms itself or by a defined term."""

    def grouped(text: str) -> str:
        groups = """
  operating:
    operations: [collect]
    defined_terms: [using]
  using:
    operations: [use]
statements:"""
        text = text.replace("\nstatements:", groups, 1)
        return text.replace(
            "[contact_information]\n    operations: [collect, use]\n",
            "[contact_information, operating]\n",
            1,
        )

    assert original == digest_of(tmp_path, "acme/policy.1.yaml", grouped)


def test_an_accepted_finding_does_not_change_it(tmp_path: Path, original: str) -> None:
    """Accepting a finding declares nothing, so verdicts stay reproducible."""
    accepted = "[collect]\n    accepted_findings: [{rule: contradiction, reason: As written.}]"
    assert original == digest_of(
        tmp_path, "acme/policy.1.yaml", lambda text: text.replace("[collect]", accepted, 1)
    )


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("acme/policy.1.yaml", "[collect, use]", "[collect]"),
        ("acme/policy.1.yaml", "[collect, use]", "[use, collect]"),
        ("acme/policy.1.yaml", "2022-01-01", "2022-01-02"),
        ("acme/vocabulary.yaml", "parent: member", "label: {en: Mentor}"),
        ("vocabulary/common.yaml", "sensitive: true", "sensitive: false"),
        ("vocabulary/common.yaml", "sensitive: true", "sensitive: true\n    about_others: true"),
    ],
)
def test_content_changes_it(tmp_path: Path, original: str, file: str, old: str, new: str) -> None:
    """Whatever the policy or its vocabulary says is in the digest."""
    assert original != digest_of(tmp_path, file, lambda text: text.replace(old, new, 1))


def test_it_is_a_sha_256_in_hex(original: str) -> None:
    """A digest has 64 hexadecimal digits."""
    assert len(original) == 64
    assert int(original, 16) >= 0

"""Severities: from the kind, the category and the recipient."""

import re
from pathlib import Path

import pytest

from purposewatch_policy import Kind
from purposewatch_reporter.findings.group import Group
from purposewatch_reporter.findings.severity import OF_KIND, Severity, severity_table
from purposewatch_reporter.findings.vocabularies import VocabularySeverity
from purposewatch_runtime.service import FatalError

POLICIES = Path("policies")
GROUP = Group(
    "wework-labs",
    "member",
    "undeclared_purpose",
    "user.contact.email",
    "marketing.advertising",
    "first_party",
    "crm",
)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Severity.MEDIUM),
        ({"kind": "undeclared_operation"}, Severity.LOW),
        ({"kind": "prohibited"}, Severity.HIGH),
        ({"kind": "unknown"}, Severity.MEDIUM),
        ({"data_category": "user.biometric.fingerprint"}, Severity.HIGH),
        ({"recipient": "processor.cloud"}, Severity.MEDIUM),
        ({"recipient": "third_party.advertising"}, Severity.HIGH),
        ({"recipient": "public"}, Severity.CRITICAL),
        (
            {"recipient": "third_party.advertising", "data_category": "user.biometric"},
            Severity.CRITICAL,
        ),
        ({"kind": "undeclared_operation", "recipient": "public"}, Severity.HIGH),
        ({"kind": "prohibited", "recipient": "public"}, Severity.CRITICAL),
    ],
)
def test_the_table(changes: dict[str, str], expected: Severity) -> None:
    """The kind says where it begins; sensitive data and who gets them raise it."""
    severity_of = VocabularySeverity(POLICIES, reload_seconds=2)
    assert severity_of(GROUP._replace(**changes)) is expected


def test_without_a_vocabulary_names_decide() -> None:
    """Of an unknown controller, or an unknown term, what the name says of the recipient."""
    severity_of = severity_table({})
    assert severity_of(GROUP._replace(data_category="user.biometric")) is Severity.MEDIUM
    assert severity_of(GROUP._replace(recipient="third_party.x")) is Severity.HIGH
    assert severity_of(GROUP._replace(recipient="public.web")) is Severity.CRITICAL


def test_every_kind_has_its_place() -> None:
    """And `unknown` has one."""
    assert set(OF_KIND) == {*map(str, Kind), "unknown"}


def test_the_page_says_the_same() -> None:
    """docs/alerts.md has the table for those who read no code."""
    page = Path("docs/alerts.md").read_text("utf-8")
    stated = dict(
        re.findall(r"^\| `([a-z_]+)` \| (low|medium|high|critical) \|$", page, re.MULTILINE)
    )
    assert stated == {kind: str(severity) for kind, severity in OF_KIND.items()}


def test_a_missing_directory_is_survived(tmp_path: Path) -> None:
    """A fault of the ledger is more severe than any finding in it."""
    severity_of = VocabularySeverity(tmp_path / "none", reload_seconds=2)
    assert severity_of(GROUP) is Severity.MEDIUM


def test_a_faulty_vocabulary_is_named(tmp_path: Path) -> None:
    """At the start; later the last good one stays in use."""
    home = tmp_path / "acme"
    home.mkdir()
    (home / "policy.1.yaml").write_text("", "utf-8")
    (home / "vocabulary.yaml").write_text("rolls: {}\n", "utf-8")
    with pytest.raises(FatalError, match=r"vocabulary\.yaml:1: unknown field `rolls`"):
        VocabularySeverity(tmp_path, reload_seconds=2)

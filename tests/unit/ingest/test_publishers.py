"""The register of publishers."""

import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from purposewatch_ingest.publishers import Publisher, RateLimits
from purposewatch_ingest.register_file import load_register
from purposewatch_policy import InvalidSourceError

DIGESTS = [sha256(key).hexdigest() for key in (b"one", b"two", b"three")]

SHARED_KEY = f"""
publishers:
  a: {{controllers: [x], key_sha256: [{DIGESTS[0]}]}}
  b: {{controllers: [x], key_sha256: [{DIGESTS[0]}]}}
"""


SHARED_SUBJECT = """
publishers:
  a: {controllers: [x], token_subjects: [s]}
  b: {controllers: [x], token_subjects: [s]}
"""


def write(directory: Path, text: str) -> Path:
    """A register's file."""
    path = directory / "publishers.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_publishers_are_found_by_key_and_by_source(tmp_path: Path) -> None:
    """Every key of a publisher finds it, and so does a source below its name."""
    text = f"""
publishers:
  crm:
    key_sha256: [{DIGESTS[0]}, {DIGESTS[1]}]
    controllers: [wework-labs, linggan-house]
  billing:
    controllers: [wework-labs]
"""
    register = load_register(write(tmp_path, text))
    crm = register.owner_of("/crm/newsletter")
    assert crm is not None
    assert (
        crm is register.holder_of("one") is register.holder_of("two") is register.owner_of("/crm")
    )
    assert crm.controllers == {"wework-labs", "linggan-house"}
    billing = register.owner_of("/billing")
    assert billing is not None
    assert billing.name == "billing"
    for key in ("three", "", "x" * 10_000, DIGESTS[0], "\u00ff"):
        assert register.holder_of(key) is None
    assert register.owner_of("/unknown/crm") is None


def test_publishers_are_found_by_certificate(tmp_path: Path) -> None:
    """By any of the names in it, unless these are of several publishers."""
    text = """
publishers:
  crm: {controllers: [x], certificate_names: ["CN:crm", "URI:spiffe://example/crm"]}
  billing: {controllers: [x], certificate_names: ["DNS:billing.example"]}
"""
    register = load_register(write(tmp_path, text))
    crm = register.owner_of("/crm")
    assert crm is not None
    assert crm is register.owner_of_certificate({"CN:crm", "DNS:elsewhere.example"})
    assert crm is register.owner_of_certificate({"CN:x", "URI:spiffe://example/crm"})
    for names in (set(), {"DNS:crm"}, {"CN:CRM"}, {"CN:crm", "DNS:billing.example"}):
        assert register.owner_of_certificate(names) is None


def test_rights_and_limits_are_read(tmp_path: Path) -> None:
    """Absent, nothing is restricted but facts; the burst is ten seconds of the rate."""
    text = """
publishers:
  crm:
    controllers: [x]
    sources: [/crm/newsletter, /crm/newsletter/weekly]
    facts: [consent.marketing]
    states_facts: [consent.*, loan.overdue]
    reads_facts: ["*"]
    erases_subjects: true
    limits: {events_per_second: 50, events_per_day: 1000000}
    paused: it sends test data
  billing:
    controllers: [x]
    limits: {events_per_second: 5, burst: 7}
  free: {controllers: [x]}
"""
    register = load_register(write(tmp_path, text))
    crm = register.owner_of("/crm")
    assert crm == Publisher(
        "crm",
        frozenset({"x"}),
        sources=("/crm/newsletter", "/crm/newsletter/weekly"),
        facts=frozenset({"consent.marketing"}),
        states_facts=frozenset({"consent.*", "loan.overdue"}),
        reads_facts=frozenset({"*"}),
        erases_subjects=True,
        limits=RateLimits(events_per_second=50, burst=500, events_per_day=1_000_000),
        paused="it sends test data",
    )
    billing, free = register.owner_of("/billing"), register.owner_of("/free")
    assert billing is not None
    assert RateLimits(events_per_second=5, burst=7) == billing.limits
    assert Publisher("free", frozenset({"x"})) == free


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("publishers: {crm: {controllers: [a], sources: [/billing]}}", "not `/crm` or a path"),
        ("publishers: {crm: {controllers: [a], sources: [/crmx]}}", "not `/crm` or a path"),
        ("publishers: {crm: {controllers: [a], sources: [/crm/a/]}}", "not `/crm` or a path"),
        ("publishers: {crm: {controllers: [a], facts: []}}", "`facts` is empty"),
        ("publishers: {crm: {controllers: [a], facts: ['x y']}}", "not a fact's name"),
        ("publishers: {crm: {controllers: [a], states_facts: []}}", "`states_facts` is empty"),
        ("publishers: {crm: {controllers: [a], states_facts: ['**']}}", "not a pattern of facts"),
        ("publishers: {crm: {controllers: [a], reads_facts: ['a*']}}", "not a pattern of facts"),
        ("publishers: {crm: {controllers: [a], limits: {}}}", "`limits` is empty"),
        ("publishers: {crm: {controllers: [a], limits: {burst: 5}}}", "needs `events_per_second`"),
        (
            "publishers: {crm: {controllers: [a], limits: {events_per_second: 0}}}",
            "whole number from 1",
        ),
        ("publishers: {crm: {controllers: [a], paused: ' '}}", "`paused` is empty"),
        ("", "must be a mapping"),
        ("publisher: {}", "publishers.yaml:1: unknown field `publisher`; did you mean"),
        ("publishers:", "lacks `publishers`"),
        ("publishers: {CRM: {controllers: [a]}}", "`CRM` is not a publisher's name"),
        ("publishers: {crm: {}}", "lacks `controllers`"),
        ("publishers: {crm: {controllers: []}}", "empty"),
        ("publishers: {crm: {controllers: [A]}}", "not a controller's name"),
        ("publishers: {crm: {controllers: [a], keys: [x]}}", "unknown field `keys`"),
        ("publishers: {crm: {controllers: [a], key_sha256: [pwk_clear]}}", "not a SHA-256 digest"),
        (
            "publishers:\n  a: &a {controllers: [x]}\n  b: *a",
            "anchors and aliases are not supported",
        ),
        (SHARED_KEY, "key in common"),
        (SHARED_SUBJECT, "key in common"),
        ("publishers: {crm: {controllers: [a], certificate_names: [crm]}}", "a certificate's name"),
        (
            "publishers: {crm: {controllers: [a], token_subjects: ['']}}",
            "not a token's subject",
        ),
    ],
)
def test_faults_are_pointed_at(tmp_path: Path, text: str, message: str) -> None:
    """A faulty register is refused with its line, and a key in clear is not repeated."""
    with pytest.raises(InvalidSourceError) as raised:
        load_register(write(tmp_path, text))
    assert message in str(raised.value)
    assert "pwk_clear" not in str(raised.value)


def test_missing_file_is_an_error(tmp_path: Path) -> None:
    """Without the file there is a readable error."""
    with pytest.raises(InvalidSourceError, match="cannot be read"):
        load_register(tmp_path / "publishers.yaml")


def test_new_key_prints_a_key_and_its_digest() -> None:
    """Every run prints another key of 256 bits together with its digest."""
    command = [sys.executable, "-m", "purposewatch_ingest.publishers", "new-key"]
    outputs = [subprocess.run(command, check=True, capture_output=True, text=True) for _ in "ab"]
    keys = []
    for output in outputs:
        key, digest = (line.split()[1] for line in output.stdout.splitlines()[:2])
        assert sha256(key.encode()).hexdigest() == digest
        assert len(key) >= 43
        keys.append(key)
    assert keys[0] != keys[1]
    wrong = subprocess.run(command[:-1], check=False, capture_output=True, text=True)
    assert wrong.returncode == 2
    assert "new-key" in wrong.stderr

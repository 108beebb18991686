"""A policy with a fact of the ledger, and statements of it as records of the facts topic."""

import json
import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiokafka import ConsumerRecord

from purposewatch_contract import EXAMPLE_DIR
from purposewatch_contract.codec import DecodedFact, FastFactCodec, fact_key

POLICIES = Path(__file__).parents[2] / "policies"
CONTROLLER = "wework-labs"
CONSENT = "consent.marketing"
_EVENT = json.loads((EXAMPLE_DIR / "canonical-event.json").read_text())
_ADVERTISING = {
    "role": "visitor",
    "operation": "use",
    "purpose": "marketing.advertising.serving",
    "recipient": "first_party",
    "data_categories": ["user.contact.email"],
    "legal_basis": "consent",
}

START = datetime(2026, 3, 1, tzinfo=UTC)


def pseudonym(number: int) -> str:
    """The pseudonym of a subject."""
    return f"psn:1:{number:032x}"


def statement(
    *,
    subject: int = 0,
    fact: str = CONSENT,
    value: bool = True,
    since: int = 0,
    until: int | None = None,
    stated: int = 0,
    name: str = "s-1",
    evidence: str | None = None,
) -> DecodedFact:
    """A statement; times are in hours since `START`."""
    return DecodedFact(
        pseudonym(subject),
        CONTROLLER,
        fact,
        value,
        START + timedelta(hours=since),
        None if until is None else START + timedelta(hours=until),
        evidence,
        name,
        "/consents",
        "consents",
        "00" * 16,
        "http",
        None,
        START + timedelta(hours=stated),
        START,
    )


def record(
    key: bytes | None, value: bytes | None, offset: int, *, partition: int = 0, timestamp: int = 0
) -> Any:
    """A record of the facts topic."""
    return ConsumerRecord("facts", partition, offset, timestamp, 0, key, value, None, 0, 0, ())


def stating(fact: DecodedFact, offset: int, *, partition: int = 0) -> Any:
    """The record of a statement."""
    return record(fact_key(fact), FastFactCodec.encode(fact), offset, partition=partition)


def removing(fact: DecodedFact, offset: int, *, partition: int = 0) -> Any:
    """The tombstone of a statement."""
    return record(fact_key(fact), None, offset, partition=partition)


def policies_with_ledger(directory: Path) -> Path:
    """The project's policies, with consent to marketing the only fact of the ledger."""
    policies_without_ledger(directory)
    path = directory / CONTROLLER / "vocabulary.yaml"
    text = path.read_text(encoding="utf-8")
    before, name, after = text.partition(f"  {CONSENT}:\n")
    assert name, f"{path} has no fact `{CONSENT}`"
    ledger = "    authority: ledger\n    stated_by: {en: The consent platform}\n"
    path.write_text(before + name + ledger + after, encoding="utf-8")
    return directory


def policies_without_ledger(directory: Path) -> Path:
    """The project's policies, with every fact as its publisher claims it."""
    shutil.copytree(POLICIES, directory)
    for path in directory.glob("*/vocabulary.yaml"):
        text = path.read_text(encoding="utf-8")
        text = re.sub(r"^    authority: ledger\n", "", text, flags=re.MULTILINE)
        text = re.sub(r"^    stated_by:.*\n(      .*\n)*", "", text, flags=re.MULTILINE)
        path.write_text(text, encoding="utf-8")
    return directory


def advertising(
    *, number: int = 1, subject: int = 0, hour: float = 0, claims: bool | None = True
) -> bytes:
    """A canonical event that the policy permits if the subject has consented."""
    facts = {"visit.website": True} | ({} if claims is None else {CONSENT: claims})
    time = (START + timedelta(hours=hour)).isoformat().replace("+00:00", "Z")
    data = {
        "controller": CONTROLLER,
        **_ADVERTISING,
        "facts": facts,
        "subject": pseudonym(subject),
    }
    return json.dumps({**_EVENT, "id": f"e-{number}", "time": time, "data": data}).encode()

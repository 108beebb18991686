"""Key files are read strictly, and each fault says what to do."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import ValidationError

from purposewatch_contract import declared_topics
from purposewatch_policy import InvalidSourceError
from purposewatch_runtime.settings import KafkaSettings
from purposewatch_runtime.signing import SIGNERS, load_signer, load_trusted_keys
from tests.harness.signing_keys import SigningKeys


def test_trusted_keys_name_topics_in_full(tmp_path: Path) -> None:
    """With the prefix of the topics; each service signs what it writes."""
    keys = SigningKeys(tmp_path, required=["verdicts"])
    auditor, line = keys.make("auditor"), keys.make("command-line")
    loaded = load_trusted_keys(keys.trusted_file, "acme")
    assert loaded.required == {"acme.verdicts"}
    found = loaded.keys[load_signer(auditor).key_id]
    assert found.topics == {"acme.verdicts", "acme.facts", "acme.dead-letters"}
    assert loaded.keys[load_signer(line).key_id].topics == {"acme.dead-letters"}


def test_who_signs_a_topic_is_declared_as_its_producer() -> None:
    """In `topics.yaml`."""
    names = {"command-line": "the command line"}
    for service, topics in SIGNERS.items():
        for topic in topics:
            assert names.get(service, service) in declared_topics()[topic].producers


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("keys: []\nrequired: [raw]", "`raw` is not one of events, facts, verdicts, dead-letters"),
        ("required: [events]", "lacks `keys`"),
        ("keys: [{service: reporter, public_key: x}]", "`reporter` signs nothing"),
        ("keys: [{service: ingest, public_key: x}]", "is not an Ed25519 public key"),
        ("keys: [{service: ingest, public_key: é}]", "is not an Ed25519 public key"),
        ("keys: [{service: ingest, public_key: x, until: soon}]", "`until`"),
    ],
)
def test_faults_of_trusted_keys_are_named(tmp_path: Path, text: str, says: str) -> None:
    """With what to write instead."""
    path = tmp_path / "keys.yaml"
    path.write_text(text)
    with pytest.raises(InvalidSourceError, match=says):
        load_trusted_keys(path, "acme")


def test_a_key_is_listed_once(tmp_path: Path) -> None:
    """Twice, its two entries could say different things."""
    keys = SigningKeys(tmp_path)
    keys.make("auditor")
    text = keys.trusted_file.read_text()
    entry = text[text.index("[{") + 1 : text.rindex("]")]
    keys.trusted_file.write_text(text.replace(entry, f"{entry}, {entry}"))
    with pytest.raises(InvalidSourceError, match="a key is listed twice"):
        load_trusted_keys(keys.trusted_file, "acme")


def test_a_signing_key_is_ed25519_in_pem(tmp_path: Path) -> None:
    """Another key, or no key, is refused at the start, without being shown."""
    path = tmp_path / "signing.key"
    other = generate_private_key(SECP256R1())
    for content in (
        b"secret",
        other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    ):
        path.write_bytes(content)
        with pytest.raises(ValidationError, match=r"SIGNING_KEY_FILE can't be loaded.*genpkey"):
            KafkaSettings(kafka_signing_key_file=path)
    with pytest.raises(ValidationError, match="TRUSTED_KEYS_FILE can't be loaded"):
        KafkaSettings(kafka_trusted_keys_file=tmp_path / "none.yaml")

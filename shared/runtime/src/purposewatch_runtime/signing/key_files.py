"""Reads the keys that sign records, and the file of those whose signatures count."""

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_private_key

from purposewatch_contract import (
    DEAD_LETTERS,
    EVENTS,
    FACTS,
    VERDICTS,
    TopicName,
    topic_name,
)
from purposewatch_policy.yaml_reader import (
    Fields,
    InvalidSourceError,
    MappingNode,
    SourceError,
    as_mapping,
    read_mapping,
)
from purposewatch_runtime.signing.signatures import Signer, TrustedKey, TrustedKeys, key_id

SIGNED_TOPICS: Final[Sequence[TopicName]] = (EVENTS, FACTS, VERDICTS, DEAD_LETTERS)
"""Those that can be required to be signed: services write them, and name the partition."""

SIGNERS: Final[Mapping[str, Sequence[TopicName]]] = {
    "ingest": (EVENTS, FACTS, DEAD_LETTERS),
    "auditor": (VERDICTS, FACTS, DEAD_LETTERS),
    "command-line": (DEAD_LETTERS,),
}
"""Who signs, and which topics. A replayed event keeps the signature that it had."""

_NOT_A_KEY = (
    "`public_key` is not an Ed25519 public key; write what "
    "`openssl pkey -in KEY.pem -pubout -outform DER | base64` prints"
)


def load_signer(path: Path) -> Signer:
    """Read a private key in PEM. Raises `OSError` and `ValueError`."""
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        message = (
            f"{path.name} is not an Ed25519 private key in PEM without a password; make one with "
            "`openssl genpkey -algorithm ed25519`"
        )
        raise ValueError(message)  # noqa: TRY004 - a faulty file, whatever it holds
    return Signer(key)


def load_trusted_keys(path: Path, topic_prefix: str) -> TrustedKeys:
    """Read the file of trusted keys. Raises `OSError`, and `InvalidSourceError` with its faults."""
    errors: list[SourceError] = []
    root = read_mapping(path, errors)
    required: list[str] = []
    keys: dict[bytes, TrustedKey] = {}
    if root is not None:
        fields = Fields(root, ("required", "keys"), "the file of trusted keys", errors)
        required = list(_read_required(fields, topic_prefix))
        for each in fields.items("keys", required=True):
            entry = as_mapping(each, "a key", errors)
            key = None if entry is None else _read_key(entry, topic_prefix, errors)
            if key is not None and keys.setdefault(key_id(key.public_key), key) is not key:
                errors.append(each.at.error("a key is listed twice; keep one of them"))
    if errors:
        raise InvalidSourceError(errors)
    return TrustedKeys(frozenset(required), keys)


def _read_required(fields: Fields, topic_prefix: str) -> Iterable[str]:
    for node in fields.names("required") or ():
        if node.text in SIGNED_TOPICS:
            yield f"{topic_prefix}.{node.text}"
        else:
            message = f"`{node.text}` is not one of {', '.join(SIGNED_TOPICS)}"
            fields.error(message, node.at)


def _read_key(node: MappingNode, topic_prefix: str, errors: list[SourceError]) -> TrustedKey | None:
    fields = Fields(node, ("service", "public_key", "until"), "a key", errors)
    service = fields.text("service", required=True)
    public_key = _public_key(fields.text("public_key", required=True))
    until = fields.timestamp("until")
    if service not in SIGNERS:
        message = f"`{service}` signs nothing; write one of {', '.join(SIGNERS)}"
        fields.error(message, fields.location("service"))
    elif public_key is None:
        fields.error(_NOT_A_KEY, fields.location("public_key"))
    else:
        topics = frozenset(topic_name(topic_prefix, name) for name in SIGNERS[service])
        return TrustedKey(service, topics, public_key, until)
    return None


def _public_key(text: str) -> Ed25519PublicKey | None:
    try:
        key = load_der_public_key(base64.b64decode(text, validate=True))
    except (ValueError, binascii.Error, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, Ed25519PublicKey) else None

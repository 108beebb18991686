"""Signatures of records: keys, signing, verification."""

from purposewatch_runtime.signing.key_files import (
    SIGNED_TOPICS,
    SIGNERS,
    load_signer,
    load_trusted_keys,
)
from purposewatch_runtime.signing.signatures import (
    SIGNATURE_HEADER,
    Refusal,
    Signer,
    TrustedKey,
    TrustedKeys,
    Verifier,
    header_of,
    key_id,
)

__all__ = [
    "SIGNATURE_HEADER",
    "SIGNED_TOPICS",
    "SIGNERS",
    "Refusal",
    "Signer",
    "TrustedKey",
    "TrustedKeys",
    "Verifier",
    "header_of",
    "key_id",
    "load_signer",
    "load_trusted_keys",
]

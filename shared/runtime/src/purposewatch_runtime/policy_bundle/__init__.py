"""Policies as one signed archive: made once, checked by every service that loads it."""

from purposewatch_runtime.policy_bundle.archive import (
    Bundle,
    BundleError,
    create_bundle,
    read_bundle,
)
from purposewatch_runtime.policy_bundle.component import PolicyBundle, policy_bundle
from purposewatch_runtime.policy_bundle.minisign import (
    PublicKey,
    SignatureError,
    public_key_text,
    read_public_keys,
    sign,
    verify,
)

__all__ = [
    "Bundle",
    "BundleError",
    "PolicyBundle",
    "PublicKey",
    "SignatureError",
    "create_bundle",
    "policy_bundle",
    "public_key_text",
    "read_bundle",
    "read_public_keys",
    "sign",
    "verify",
]

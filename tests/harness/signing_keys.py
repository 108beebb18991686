"""Keys that sign records, as files."""

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from purposewatch_runtime.signing import SIGNED_TOPICS


class SigningKeys:
    """Private keys below a directory, and the file that trusts them."""

    def __init__(self, directory: Path, *, required: Sequence[str] = SIGNED_TOPICS) -> None:
        self._directory = directory
        self._required = list(required)
        self._entries: dict[str, dict[str, Any]] = {}
        self.trusted_file = directory / "trusted_keys.yaml"
        self._write()

    def make(self, service: str, *, trusted: bool = True) -> Path:
        """The file of a new key, which is listed as trusted or not."""
        key = Ed25519PrivateKey.generate()
        path = self._directory / f"{service}-{len(list(self._directory.glob('*.key')))}.key"
        path.write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        )
        public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        entry = {"service": service, "public_key": base64.b64encode(public).decode()}
        self._entries[path.name] = entry
        if trusted:
            self._write()
        else:
            self._entries.pop(path.name)
        return path

    def retire(self, path: Path, until: str | None = None) -> None:
        """Trust a key until then, or from now on no longer."""
        if until is None:
            self._entries.pop(path.name)
        else:
            self._entries[path.name]["until"] = until
        self._write()

    def settings(self, signing: Path | None = None) -> dict[str, Any]:
        """The settings of a service that signs with this key."""
        chosen = {} if signing is None else {"kafka_signing_key_file": signing}
        return {"kafka_trusted_keys_file": self.trusted_file, **chosen}

    def _write(self) -> None:
        keys = list(self._entries.values())
        # JSON is YAML, too
        self.trusted_file.write_text(json.dumps({"required": self._required, "keys": keys}))

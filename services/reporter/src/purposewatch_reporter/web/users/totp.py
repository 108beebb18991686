"""One-time codes of authenticator apps (RFC 6238), and recovery codes, both from the service's key.

A secret is derived from the key and a random salt, and a recovery code is hashed with the key. The
database holds salts and hashes: whoever reads it without the key can compute no code.
"""

import base64
import hashlib
import hmac
import secrets
from datetime import datetime

from pydantic import SecretStr
from pyotp import HOTP, TOTP

from purposewatch_reporter.web.users.passwords import typeable

_ISSUER = "Purposewatch"
_STEP_SECONDS = 30
_DRIFT = 1
"""Steps that an app's clock may be ahead or behind."""
_SECRET_BYTES = 20
_SALT_BYTES = 16
_RECOVERY_CODES = 10
_RECOVERY_GROUPS = 2


def new_salt() -> bytes:
    """A salt that was never used before."""
    return secrets.token_bytes(_SALT_BYTES)


def new_recovery_codes() -> list[str]:
    """Codes of almost 50 bits: enough where guesses are limited."""
    return [typeable(_RECOVERY_GROUPS) for _ in range(_RECOVERY_CODES)]


def normalised_code(text: str) -> str:
    """A code as it was made: people type spaces and capitals."""
    return "".join(text.split()).lower()


class TotpKey:
    """What secrets are derived from and recovery codes are hashed with."""

    def __init__(self, key: SecretStr) -> None:
        self._key = key.get_secret_value().encode()

    def secret(self, salt: bytes) -> str:
        """The secret of an authenticator app, in base32."""
        return base64.b32encode(self._digest(b"totp", salt)[:_SECRET_BYTES]).decode()

    def address(self, salt: bytes, username: str) -> str:
        """The `otpauth` address that an authenticator app reads from a QR code."""
        return TOTP(self.secret(salt)).provisioning_uri(name=username, issuer_name=_ISSUER)

    def step_of(self, salt: bytes, code: str, now: datetime) -> int | None:
        """The step of time that a code belongs to, if it is the code of now or of next to it."""
        codes = HOTP(self.secret(salt))
        current = int(now.timestamp()) // _STEP_SECONDS
        for step in range(current - _DRIFT, current + _DRIFT + 1):
            if hmac.compare_digest(codes.at(step).encode(), code.encode()):
                return step
        return None

    def recovery_hash(self, username: str, code: str) -> bytes:
        """What is stored of a recovery code."""
        return self._digest(b"recovery", username.encode(), code.encode())

    def _digest(self, *parts: bytes) -> bytes:
        return hmac.digest(self._key, b"\0".join(parts), hashlib.sha256)

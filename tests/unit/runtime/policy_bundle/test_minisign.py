"""Signatures agree with minisign's own, and nothing else is accepted."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from purposewatch_runtime.policy_bundle import (
    SignatureError,
    public_key_text,
    read_public_keys,
    sign,
    verify,
)

# Made with minisign 0.10: `-G -W`, `-S -t "sequence 7"` and `-S -l`.
CONTENT = b'{"a":1}\n'
PUBLIC_KEY = """untrusted comment: minisign public key 228D1B99F524B7E7
RWTntyT1mRuNIvB01s1qq74JRKlbMHDg/ReigY8Hrv/3JkrLDE11I2ZE
"""
SIGNATURE = """untrusted comment: signature from minisign secret key
RUTntyT1mRuNIoU2TglkbjZWoeWz7IWDc4JUiGNIfT53bkj7V4bRgOFC2INT96cq/KOgKRtevwYn7fH+//NaXh/YzgUti1ZIkAc=
trusted comment: sequence 7
5RyQVZcsG8tSjfD0hrl/Y5R8HNFrLmaQ9uCqM1H8nRBzlzQJ/R5jcuBzc3zdekNwO6qFYSjw7qNUVPXIeMhfDw==
"""
OF_THE_CONTENT_ITSELF = """untrusted comment: signature from minisign secret key
RWTntyT1mRuNIoUkM0S2Ud5zNusvDkPcq8gGgO6l9AX/H1Oih3/w7OzAe0sZUCbH1YFE/yfaJv1ibQg560BjbczWNvBT/Prr3wQ=
trusted comment: timestamp:1795909195	file:bundle.json
7ruNeQEpFHWKKrJMrbiTzIscs4crCt5VtCT4u6EvnjRLBugEj0QI4CCczfcWzYUSLfdInemc8/EhiSpweT9YAw==
"""
OWN = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


@pytest.mark.parametrize("signature", [SIGNATURE, OF_THE_CONTENT_ITSELF])
def test_what_minisign_signed_is_verified(signature: str) -> None:
    """In both of its ways, by the key of its public file."""
    [key] = read_public_keys(PUBLIC_KEY)
    assert verify(CONTENT, signature, [key]).name == "228D1B99F524B7E7"


def test_what_is_signed_here_is_verified() -> None:
    """By the key that its own public file names, among others."""
    keys = read_public_keys(PUBLIC_KEY + public_key_text(OWN))
    assert verify(CONTENT, sign(CONTENT, OWN, comment="number:7"), keys) == keys[1]


@pytest.mark.parametrize(
    ("content", "signature", "says"),
    [
        (b"other", SIGNATURE, "not what the key 228D1B99F524B7E7 signed"),
        (CONTENT, SIGNATURE.replace("sequence 7", "sequence 8"), "not what the key"),
        (CONTENT, sign(CONTENT, OWN, comment="x"), "which is not trusted here"),
        (CONTENT, "", "not in minisign's format"),
        (CONTENT, "a\nb\nc\nd\n", "not in minisign's format"),
        (CONTENT, SIGNATURE.replace("RUTn", "AUTn"), "not in minisign's format"),
        (CONTENT, SIGNATURE.replace("RUTn", "!!!!"), "not in minisign's format"),
    ],
)
def test_what_the_key_did_not_sign_is_refused(content: bytes, signature: str, says: str) -> None:
    """The error says why."""
    with pytest.raises(SignatureError, match=says):
        verify(content, signature, read_public_keys(PUBLIC_KEY))


@given(st.integers(0, 73), st.integers(1, 255))
def test_a_changed_byte_of_the_signature_is_found(place: int, change: int) -> None:
    """Wherever it is: in the algorithm, the id of the key, or the signature."""
    lines = SIGNATURE.splitlines()
    raw = bytearray(base64.b64decode(lines[1]))
    raw[place] ^= change
    lines[1] = base64.b64encode(raw).decode()
    with pytest.raises(SignatureError):
        verify(CONTENT, "\n".join(lines), read_public_keys(PUBLIC_KEY))


@pytest.mark.parametrize("text", ["", "untrusted comment: nothing\n", "RWTn", "not base64"])
def test_a_file_without_keys_is_refused(text: str) -> None:
    """Trusting nobody would refuse everything, and is not what anybody wants."""
    with pytest.raises(SignatureError):
        read_public_keys(text)

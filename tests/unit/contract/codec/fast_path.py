"""Fast codecs without their references."""

from typing import Any, TypeVar

from purposewatch_contract.codec import FastEventCodec, FastFactCodec, FastVerdictCodec

C = TypeVar("C", FastEventCodec, FastFactCodec, FastVerdictCodec)


class NeedsReferenceError(Exception):
    """The fast codec left a text to its reference."""


class _NoReference:
    def decode(self, _: bytes) -> Any:
        raise NeedsReferenceError


def fast_path_of(codec: C) -> C:
    """The codec, changed to raise `NeedsReferenceError` where it would ask its reference."""
    codec._reference = _NoReference()  # type: ignore[assignment]
    return codec

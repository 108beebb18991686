"""Changes an input a little: its bytes, or the words, texts, numbers and brackets that it has.

The same function serves every format: JSON, YAML, HTTP, CSV and SQL all consist of such tokens.
"""

import re
from collections.abc import Callable, Sequence
from random import Random

_TOKEN = re.compile(rb'"(?:[^"\\\n]|\\.)*"|[A-Za-z0-9_.+-]+|[^\sA-Za-z0-9_.+-]|[ \t]+|\r?\n')
_NUMBER = re.compile(rb"-?[0-9]+")
_COMMON = (
    *(b"", b" ", b"\n", b"\r", b"\r\n", b"\t", b"\0", b"\x7f", b"\x85", b"\xff", b"\xed\xa0\x80"),
    *(
        b"\xef\xbb\xbf",
        b"\xe2\x80\xa8",
        b"\xe2\x80\xae",
        b"\xf0\x9f\x98\x80",
        b"\\ud800",
        b"\\u0000",
    ),
    *(b'"', b"'", b"\\", b"{", b"}", b"[", b"]", b",", b":", b";", b"%", b"%00", b"/", b"../"),
    *(b"null", b"true", b"false", b"NaN", b"1e400", b"-0.0", b'""', b"[]", b"{}", b"=1+1", b"@a"),
    *(b"\xd9\xa3", b"\xef\xbc\x91", b"0001-01-01T00:00:00+14:00", b"9999-12-31T23:59:59-14:00"),
)
_NUMBERS = (
    *(0, -1, 1, 2, 63, 64, 65, 127, 128, 255, 256, 1_000_000, 1_000_001, 2**31 - 1, 2**31),
    *(2**63 - 1, 2**63, -(2**63) - 1, 2**64, 10**30, 10**4400),
)
_REPEATS = (2, 3, 8, 33, 65, 130, 300, 2_000)
_BRACKETS = ((b"[", b"]"), (b'{"a":', b"}"), (b"(", b")"), (b"- ", b""), (b"'", b"'"))

Change = Callable[[bytes, Random, Sequence[bytes]], bytes]


def mutate(
    data: bytes, rng: Random, *, words: Sequence[bytes], corpus: Sequence[bytes], max_bytes: int
) -> bytes:
    """Change the input in one to eight places; `words` are inserted, `corpus` is spliced with."""
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 5, 8))):
        pool = corpus if rng.random() < _SPLICES else words
        change = _splice if pool is corpus else rng.choice(_CHANGES)
        data = change(data, rng, pool)[:max_bytes]
    return data


_SPLICES = 0.08


def _span(data: bytes, rng: Random, longest: int = 32) -> tuple[int, int]:
    start = rng.randint(0, len(data))
    return start, min(len(data), start + rng.randint(0, longest))


def _token(data: bytes, rng: Random) -> tuple[int, int]:
    tokens = list(_TOKEN.finditer(data, *_window(data, rng)))
    return rng.choice(tokens).span() if tokens else _span(data, rng)


def _window(data: bytes, rng: Random) -> tuple[int, int]:
    """A part of a long input, so that a change takes the same time in all."""
    start = rng.randint(0, max(0, len(data) - 2_000))
    return start, start + 2_000


def _flip(data: bytes, rng: Random, _: Sequence[bytes]) -> bytes:
    if not data:
        return data
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]


def _set(data: bytes, rng: Random, _: Sequence[bytes]) -> bytes:
    start, end = _span(data, rng, 2)
    return data[:start] + rng.randbytes(rng.randint(1, 2)) + data[end:]


def _remove(data: bytes, rng: Random, _: Sequence[bytes]) -> bytes:
    start, end = _span(data, rng)
    return data[:start] + data[end:]


def _remove_token(data: bytes, rng: Random, _: Sequence[bytes]) -> bytes:
    start, end = _token(data, rng)
    return data[:start] + data[end:]


def _insert(data: bytes, rng: Random, words: Sequence[bytes]) -> bytes:
    start, _ = _token(data, rng)
    return data[:start] + rng.choice((*words, *_COMMON)) + data[start:]


def _replace(data: bytes, rng: Random, words: Sequence[bytes]) -> bytes:
    start, end = _token(data, rng)
    word = rng.choice((*words, *_COMMON))
    if data[start : start + 1] == b'"' and rng.random() < 0.5:
        word = b'"' + word + b'"'
    return data[:start] + word + data[end:]


def _within(data: bytes, rng: Random, words: Sequence[bytes]) -> bytes:
    start, end = _token(data, rng)
    at = rng.randint(start, end)
    return data[:at] + rng.choice((*words, *_COMMON)) + data[at:]


def _renumber(data: bytes, rng: Random, _: Sequence[bytes]) -> bytes:
    numbers = list(_NUMBER.finditer(data, *_window(data, rng)))
    if not numbers:
        return data
    start, end = rng.choice(numbers).span()
    return data[:start] + _digits(rng.choice(_NUMBERS)) + data[end:]


def _digits(number: int) -> bytes:
    """The number in decimal; Python refuses to write the longest ones."""
    return b"1" + b"0" * 4_400 if number == _NUMBERS[-1] else str(number).encode()


def _swap(data: bytes, rng: Random, _: Sequence[bytes]) -> bytes:
    (a, b), (c, d) = sorted((_token(data, rng), _token(data, rng)))
    if b > c:
        return data
    return data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]


def _repeat(data: bytes, rng: Random, _: Sequence[bytes]) -> bytes:
    start, end = _token(data, rng) if rng.random() < 0.5 else _span(data, rng, 120)
    return data[:end] + data[start:end] * rng.choice(_REPEATS) + data[end:]


def _nest(data: bytes, rng: Random, _: Sequence[bytes]) -> bytes:
    start, end = _token(data, rng)
    opening, closing = rng.choice(_BRACKETS)
    times = rng.choice(_REPEATS)
    return data[:start] + opening * times + data[start:end] + closing * times + data[end:]


def _splice(data: bytes, rng: Random, corpus: Sequence[bytes]) -> bytes:
    other = rng.choice(corpus)
    start, end = _span(other, rng, max(1, len(other)))
    at, to = _span(data, rng)
    return data[:at] + other[start:end] + data[to:]


_CHANGES: tuple[Change, ...] = (
    *(_flip, _set, _remove, _remove_token, _remove_token, _insert, _insert, _replace, _replace),
    *(_replace, _within, _within, _renumber, _renumber, _swap, _repeat, _nest),
)

"""Splits labels and queries into words that can be compared, in English and Chinese."""

import re
import unicodedata

_RUNS = re.compile(r"(?P<chinese>[\u3400-\u9fff]+)|[^\W_\u3400-\u9fff]+")
_E_WORD = re.compile(r"\be-(?=[a-z])")

_PLURALS = (("sses", "ss"), ("ies", "y"), ("ss", "ss"), ("us", "us"), ("is", "is"), ("s", ""))
_SPELLINGS = (
    ("isation", "ization"),
    ("ise", "ize"),
    ("yse", "yze"),
    ("ence", "ense"),
    ("our", "or"),
    ("tre", "ter"),
)
_SHORTEST = 4
"""Shorter words are left as they are."""

_STOP_WORDS = frozenset(
    {"a", "an", "and", "by", "for", "from", "in", "is", "it", "of", "on", "or", "s", "that"}
    | {"the", "their", "to", "with"}
)


def words_of(text: str) -> tuple[str, ...]:
    """Return the words of a text in their order, each in the form in which it is compared.

    Plurals and British and American spellings fold together. Chinese has no spaces, so a run of
    its characters becomes every pair of neighbours.
    """
    plain = _E_WORD.sub("e", unicodedata.normalize("NFKC", text).casefold())
    words: list[str] = []
    for run in _RUNS.finditer(plain):
        if run["chinese"] is None:
            words.append(_folded(run[0]))
        else:
            words.extend(_pairs(run[0]))
    return tuple(word for word in words if word not in _STOP_WORDS)


def _pairs(run: str) -> list[str]:
    return [run[start : start + 2] for start in range(max(1, len(run) - 1))]


def _folded(word: str) -> str:
    for endings in (_PLURALS, _SPELLINGS):
        for ending, other in endings:
            if len(word) >= _SHORTEST and word.endswith(ending):
                word = word.removesuffix(ending) + other
                break
    return word

"""Separates a statement from the values in it, so that equal statements are analysed once.

INVARIANT: a template holds no literal of the statement.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_TOKENS = re.compile(
    r"""
      (?P<skip> --[^\n]* | /\*.*?\*/ | \s+ )
    | (?P<identifier> "(?:[^"]|"")*" )
    | (?P<dollar> \$(?P<tag>[A-Za-z_]\w*|)\$ (?P<body>.*?) \$(?P=tag)\$ )
    | (?P<escaped> [eE]'(?:[^'\\]|\\.|'')*' )
    | (?P<string> (?:[bBxXnN]|[uU]&)?'(?:[^']|'')*' )
    | (?P<parameter> \$\d+ )
    | (?P<word> [^\W\d][\w$]* )
    | (?P<number> (?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)? )
    | (?P<operator> :: | := | . )
    """,
    re.VERBOSE | re.DOTALL,
)
_TYPES = frozenset({"date", "time", "timestamp", "timestamptz", "timetz", "interval"})
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


_LITERAL, _PARAMETER = "pw_l", "pw_p"
"""What slots begin with; a placeholder that the statement itself names has its own name."""
_LITERAL_SLOT = re.compile(rf"{_LITERAL}([1-9][0-9]{{0,5}})")


@dataclass(frozen=True, slots=True)
class Template:
    """A statement with `:pw_l1` for its first literal and `:pw_p1` for its parameter `$1`."""

    text: str
    literals: tuple[str, ...]

    def value_of(self, slot: str, parameters: Mapping[str, str | None]) -> str | None:
        """Return the value of a slot such as `pw_l1`; `None` if it is null or unknown.

        A statement may name anything like a slot, and write a word right behind a literal.
        """
        found = _LITERAL_SLOT.fullmatch(slot)
        if found is None:
            return parameters.get(slot)
        number = int(found[1])
        return self.literals[number - 1] if number <= len(self.literals) else None


def numbered(values: Iterable[str | None]) -> dict[str, str | None]:
    """Return the values of `$1` and so on by slot."""
    return {numbered_slot(number): value for number, value in enumerate(values, 1)}


def numbered_slot(number: int) -> str:
    """Return the slot of `$<number>`."""
    return f"{_PARAMETER}{number}"


def template_of(statement: str) -> Template:
    """Return the template of a statement in PostgreSQL's grammar."""
    parts: list[str] = []
    literals: list[str] = []
    before = ""
    for token in _TOKENS.finditer(statement):
        kind, text = token.lastgroup or "", token.group()
        if kind in ("tag", "body"):  # groups within a dollar-quoted text
            kind = "dollar"
        if kind == "skip":
            parts.append(" ")
            continue
        if kind == "parameter":
            parts.append(f":{_PARAMETER}{text[1:]}")
        elif kind in ("dollar", "escaped", "string", "number"):
            if before in _TYPES and kind != "number":
                parts.append("'1'")  # what a date or an interval says identifies nobody
            else:
                literals.append(_value(kind, text, token))
                parts.append(f":{_LITERAL}{len(literals)}")
        else:
            parts.append(text)
        before = text.lower() if kind == "word" else ""
    return Template("".join(parts).strip(), tuple(literals))


def _value(kind: str, text: str, token: re.Match[str]) -> str:
    if kind == "dollar":
        return token["body"]
    if kind == "number":
        return text
    body = text[text.index("'") + 1 : -1].replace("''", "'")
    return _ESCAPE.sub(r"\1", body) if kind == "escaped" else body

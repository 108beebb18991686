"""JSON text in, plain objects out; ambiguous text is refused."""

import jiter

from purposewatch_contract.dead_letter import ErrorClass
from purposewatch_contract.submission.refusal import FieldError, RefusedError

_ADVICE: tuple[tuple[str, str], ...] = (
    ("duplicate key", "names a field twice in one object; name it once"),
    ("recursion limit", "is nested too deeply; an event has three levels"),
    ("unicode", "is not UTF-8; encode it as UTF-8"),
    ("number out of range", "has a number with too many digits"),
)


def parse_json(text: bytes) -> object:
    """Parse one JSON value. Raises `RefusedError` that says where, but never quotes the text.

    Beyond the grammar it refuses duplicate names, nesting of more than 200 levels, unpaired
    surrogates, bytes that are not UTF-8, and `NaN` and `Infinity`.
    """
    if not text.strip():
        raise RefusedError(
            ErrorClass.EMPTY, FieldError("", "there is no content; send a CloudEvents JSON object")
        )
    try:
        parsed: object = jiter.from_json(text, catch_duplicate_keys=True, allow_inf_nan=False)
    except ValueError as error:
        raise RefusedError(
            ErrorClass.NOT_JSON, FieldError("", _describe(str(error)))
        ) from None  # the parser's message may quote a name from the text
    return parsed


def _describe(message: str) -> str:
    fault = next((advice for part, advice in _ADVICE if part in message), "is not valid JSON")
    _, found, place = message.rpartition(" at line ")
    return f"the content {fault} (line {place})" if found else f"the content {fault}"

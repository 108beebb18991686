"""The header that carries defaults with a message to another process."""

import json
from typing import Literal, get_args

import purposewatch_client as purposewatch
from purposewatch_client.fields import Fields
from purposewatch_client.form import is_traceparent

HEADER = "purposewatch"
_Carried = Literal["controller", "role", "purpose", "actor", "traceparent"]
_CARRIED: tuple[_Carried, ...] = get_args(_Carried)


def encode() -> str:
    """Return the defaults of the context as text. It holds no subject."""
    current = purposewatch.current_defaults()
    return json.dumps({name: current[name] for name in _CARRIED if current.get(name)})


def decode(text: object) -> Fields:
    """Return the defaults that a header carries; none of a header that is not one of ours."""
    try:
        carried = json.loads(text) if isinstance(text, (str, bytes)) else {}
    except ValueError:
        return Fields()
    if not isinstance(carried, dict):
        return Fields()
    found = Fields()
    for name in _CARRIED:
        value = carried.get(name)
        usable = is_traceparent if name == "traceparent" else str.isprintable
        if isinstance(value, str) and usable(value):
            found[name] = value
    return found

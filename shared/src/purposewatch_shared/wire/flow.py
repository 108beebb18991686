"""The `data` of canonical events and verdicts: a flow, which repeats, and a subject, who doesn't.

The gate writes the subject last. Everything before it is the text of the flow, and equal texts
are equal flows, so that a flow is checked when its text is first met and recognised from then on.
"""

import re
from typing import Annotated

import msgspec

from purposewatch_shared import event, terms
from purposewatch_shared.wire.memory import TextMemory
from purposewatch_shared.wire.texts import Controller, Pseudonym, Term, body

_SUBJECT = b',"subject":"'
_AFTER_FLOW = re.compile(rf',"subject":"{body(terms.PSEUDONYM_PATTERN)}"}}'.encode())

_HEX = b"0123456789abcdef"
_END = 34
"""Bytes from a pseudonym's 32 hexadecimal digits to the end of the `data`."""
_MOST_KEYS = 64


class Flow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One flow of personal data, as `purposewatch_shared.event.Flow` has it."""

    controller: Controller
    role: Term
    operation: Term
    purpose: Term
    recipient: Term
    data_categories: Annotated[
        tuple[Term, ...], msgspec.Meta(min_length=1, max_length=event.MAX_DATA_CATEGORIES)
    ]
    source: Term | None = None
    location: Term | None = None
    retention_days: Annotated[int, msgspec.Meta(ge=0, le=36_525)] | None = None
    legal_basis: Term | None = None
    facts: Annotated[dict[Term, bool], msgspec.Meta(max_length=event.MAX_FACTS)] = {}


class _Data(Flow, frozen=True, kw_only=True, forbid_unknown_fields=True):
    subject: Pseudonym


class ReadFlow(msgspec.Struct, frozen=True, gc=False):
    """A flow that has been checked. Shared between events: must not be changed."""

    terms: Flow
    text: bytes
    """Opens the `data` of a message about this flow; `write_data` ends it. Equal for equal flows
    only."""


class FlowReader:
    """Reads the `data` of one message after the other, and knows flows again."""

    def __init__(self) -> None:
        self._decode = msgspec.json.Decoder(_Data).decode
        self._encode = msgspec.json.Encoder().encode
        self._known: TextMemory[ReadFlow] = TextMemory()
        self._keys: set[bytes] = set()

    def read(self, data: bytes) -> tuple[ReadFlow, str]:
        """The flow and the subject; raises `msgspec.ValidationError` or another `ValueError`.

        INVARIANT: a text is remembered only if it was, with a pseudonym behind it, a whole and
        valid `data`. Then it is one with any other pseudonym behind it too, about the same flow:
        where a reader stands after the text does not depend on what follows.
        """
        cut = data.rfind(_SUBJECT)
        if cut < 0:
            return self._read_anew(data)
        # All pseudonyms under one key begin in the same way, so only their digits are news.
        if data[cut:-_END] in self._keys:
            if data[-_END:-2].translate(None, _HEX) or not data.endswith(b'"}'):
                return self._read_anew(data)
        elif not self._has_new_key(data, cut):
            return self._read_anew(data)
        text = data[:cut]
        known = self._known.get(text)
        if known is None:
            known, _ = self._read_anew(data)
            self._known.keep(text, known)
        return known, data[cut + len(_SUBJECT) : -2].decode()

    def _has_new_key(self, data: bytes, cut: int) -> bool:
        """Whether the `data` ends in a pseudonym from `cut` on; if so, its key is known then."""
        if _AFTER_FLOW.fullmatch(data, cut) is None:
            return False
        if len(self._keys) >= _MOST_KEYS:
            self._keys.clear()
        self._keys.add(data[cut:-_END])
        return True

    def from_model(self, data: event.CanonicalData) -> tuple[ReadFlow, str]:
        """The same of a `data` that pydantic has read."""
        fields = {name: getattr(data, name) for name in Flow.__struct_fields__}
        return self._with_text(Flow(**fields)), data.subject

    def _read_anew(self, data: bytes) -> tuple[ReadFlow, str]:
        read = self._decode(data)
        if len(set(read.data_categories)) != len(read.data_categories):
            message = "names the same data category twice"
            raise ValueError(message)
        fields = {name: getattr(read, name) for name in Flow.__struct_fields__}
        return self._with_text(Flow(**fields)), read.subject

    def _with_text(self, flow: Flow) -> ReadFlow:
        return ReadFlow(flow, self._encode(flow)[:-1] + _SUBJECT)


def write_data(flow: ReadFlow, subject: str) -> bytes:
    """The `data` of a message, in JSON. The subject must be a pseudonym, which needs no escapes."""
    return b'%b%b"}' % (flow.text, subject.encode())

"""The `data` of canonical events and verdicts: a flow, which repeats, and a subject, who doesn't.

The gate writes the subject last. Everything before it is the text of the flow, and equal texts
are equal flows, so that a flow is checked when its text is first met and recognised from then on.
"""

from typing import Annotated

import msgspec

from purposewatch_contract.codec.cache import BoundedCache
from purposewatch_contract.codec.texts import Controller, Pseudonym, Term
from purposewatch_contract.event import CanonicalData
from purposewatch_policy import MAX_DATA_CATEGORIES, MAX_FACTS


class Flow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One flow of personal data, as `purposewatch_policy.flow.Flow` has it."""

    controller: Controller
    role: Term
    operation: Term
    purpose: Term
    recipient: Term
    data_categories: Annotated[
        tuple[Term, ...], msgspec.Meta(min_length=1, max_length=MAX_DATA_CATEGORIES)
    ]
    source: Term | None = None
    location: Term | None = None
    retention_days: Annotated[int, msgspec.Meta(ge=0, le=36_525)] | None = None
    legal_basis: Term | None = None
    facts: Annotated[dict[Term, bool], msgspec.Meta(max_length=MAX_FACTS)] = {}


class _Data(Flow, frozen=True, kw_only=True, forbid_unknown_fields=True):
    subject: Pseudonym


class ReadFlow(msgspec.Struct, frozen=True, gc=False):
    """A flow that has been checked. Shared between messages: must not be changed."""

    terms: Flow
    text: str
    """Opens the `data` of a message about this flow; `write_data` ends it. Equal for equal flows
    only."""


class FlowReader:
    """Reads the `data` of one message after the other, and knows flows again."""

    def __init__(self) -> None:
        self._decode = msgspec.json.Decoder(_Data).decode
        self._encode = msgspec.json.Encoder().encode
        self._known: BoundedCache[ReadFlow] = BoundedCache()
        self.recognise = self._known.get
        """The flow with this text, if it was read before, or `None`."""

    def read(self, text: str, subject: str) -> ReadFlow:
        """The flow in a `data` that is this text and, after a comma, this subject, a pseudonym.

        Raises `msgspec.ValidationError` or another `ValueError`.

        INVARIANT: a text is remembered only if it was, with a pseudonym behind it, a whole and
        valid `data`. Then it is one with any other pseudonym behind it too, about the same flow:
        where a reader stands after the text does not depend on what follows.
        """
        read = self._decode(f'{text},"subject":"{subject}"}}')
        if len(set(read.data_categories)) != len(read.data_categories):
            message = "names the same data category twice"
            raise ValueError(message)
        fields = {name: getattr(read, name) for name in Flow.__struct_fields__}
        flow = self._with_text(Flow(**fields))
        self._known.keep(text, flow)
        return flow

    def from_model(self, data: CanonicalData) -> ReadFlow:
        """The same of a `data` that pydantic has read."""
        fields = {name: getattr(data, name) for name in Flow.__struct_fields__}
        return self._with_text(Flow(**fields))

    def _with_text(self, flow: Flow) -> ReadFlow:
        return ReadFlow(flow, f'{self._encode(flow)[:-1].decode()},"subject":"')


def write_data(flow: ReadFlow, subject: str) -> str:
    """The `data` of a message, in JSON. The subject must be a pseudonym, which needs no escapes."""
    return f'{flow.text}{subject}"}}'

"""The `data` of canonical events and verdicts: a flow, which repeats, and what differs.

Services write the subject behind the flow, and the count, unless it is 1, behind the subject. The
text before the subject is the flow's: equal texts are equal flows, so a flow is validated when its
text occurs for the first time and found in the cache afterwards.
"""

import msgspec

from purposewatch_contract.codec.caches import TextCache
from purposewatch_contract.codec.interface import DecodedFlow, Flow
from purposewatch_contract.codec.patterns import Pseudonym

_encode = msgspec.json.Encoder(order="deterministic").encode


def count_text(count: int) -> str:
    """How many accesses a message is about, as the services write it behind the subject."""
    return "" if count == 1 else f',"count":{count}'


class _Data(Flow, frozen=True, kw_only=True, forbid_unknown_fields=True):
    subject: Pseudonym


class FlowDecoder:
    """Decodes flows by their texts, which must be the `data` of a message up to its subject."""

    def __init__(self) -> None:
        self._decode = msgspec.json.Decoder(_Data).decode
        self._flows: TextCache[DecodedFlow] = TextCache()
        self.cached = self._flows.get
        """The flow with this text, or `None`."""

    def decode(self, text: str, subject: str) -> DecodedFlow:
        """The flow in a `data` that is this text and, after a comma, this subject, a pseudonym.

        Raises `msgspec.ValidationError` or another `ValueError`.

        INVARIANT: a text is cached only if it was, with a pseudonym behind it, a whole and valid
        `data`. Then it is one with any other pseudonym behind it too, and with a count behind that,
        about the same flow: a parser's state after the text does not depend on what follows, and
        the text has no count, which `_Data` does not know.
        """
        data = self._decode(f'{text},"subject":"{subject}"}}')
        if len(set(data.data_categories)) != len(data.data_categories):
            message = "names the same data category twice"
            raise ValueError(message)
        flow = decoded_flow(data)
        self._flows.put(text, flow)
        return flow


def decoded_flow(data: object) -> DecodedFlow:
    """The flow of a valid `data` that has the fields of `Flow`, and maybe others."""
    terms = Flow(**{name: getattr(data, name) for name in Flow.__struct_fields__})
    return DecodedFlow(terms, f'{_encode(terms)[:-1].decode()},"subject":"')

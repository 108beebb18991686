"""What the messages of one batch have in common, so that it is checked only once."""

import re
from datetime import datetime

from purposewatch_contract import terms
from purposewatch_contract.codec.texts import INSTANT, body

_MOST = 4_096

_INSTANT = re.compile(INSTANT)
_SOURCE = re.compile(body(terms.SOURCE_PATTERN))
_PUBLISHER = re.compile(body(terms.PUBLISHER_PATTERN))


class Moments(dict[str, datetime]):
    """Moments by their texts. Look one up by subscript; raises `ValueError` for what is none.

    For those that many messages share: when a gate accepted a batch, when an auditor decided one.
    """

    def __missing__(self, text: str) -> datetime:
        """The moment that is met for the first time."""
        if _INSTANT.fullmatch(text) is None:
            message = "a moment is not written as the gate writes it"
            raise ValueError(message)
        moment = datetime.fromisoformat(text)
        if len(self) >= _MOST:
            self.clear()
        self[text] = moment
        return moment


class Senders(set[tuple[str, str]]):
    """Sources and publishers that were met and are as the schema says."""

    def meet(self, source: str, publisher: str) -> None:
        """Check a pair that isn't among them, and keep it; raises `ValueError` for a bad one."""
        if _SOURCE.fullmatch(source) is None or _PUBLISHER.fullmatch(publisher) is None:
            message = "the source or the publisher is not as the schema says"
            raise ValueError(message)
        if len(self) >= _MOST:
            self.clear()
        self.add((source, publisher))

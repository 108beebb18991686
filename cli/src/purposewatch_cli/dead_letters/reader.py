"""Read the dead letters and what was done with them."""

from collections.abc import AsyncIterator, Iterable

from pydantic import ValidationError

from purposewatch_cli.dead_letters.letters import Dispositions, Letter, LetterPosition
from purposewatch_cli.kafka import TopicReader, UnusableError
from purposewatch_contract import DEAD_LETTERS, DISPOSITIONS, DeadLetter, Disposition
from purposewatch_runtime.settings import KafkaSettings

_AT_ONCE = 100  # dead letters may be large


class DeadLetterReader:
    """Reads the dead letters of one installation."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._letters = TopicReader(settings, DEAD_LETTERS, at_once=_AT_ONCE)
        self._done = TopicReader(settings, DISPOSITIONS, at_once=_AT_ONCE)
        self.topic = self._letters.topic
        self.unreadable = 0
        """Records so far that are not dead letters."""

    async def letters(self) -> AsyncIterator[Letter]:
        """Every dead letter that exists at the start, in order per partition."""
        dispositions = await self._dispositions()
        async for record in self._letters.required():
            position = LetterPosition(record.partition, record.offset)
            try:
                content = DeadLetter.model_validate_json(record.value or b"")
            except ValidationError:
                self.unreadable += 1
                continue
            done = dispositions.get(position)
            # the topic may have been created again since, with the same offsets
            if done is not None and done.time < content.failed_time:
                done = None
            yield Letter(position, content, done)

    async def find(self, positions: Iterable[LetterPosition]) -> list[Letter]:
        """The letters at these positions, in order; raises `UnusableError` if one is missing."""
        wanted = list(dict.fromkeys(positions))
        found = {
            letter.position: letter async for letter in self.letters() if letter.position in wanted
        }
        missing = [str(position) for position in wanted if position not in found]
        if missing:
            message = f"no dead letter at {', '.join(missing)}; `list --all` shows what there is"
            raise UnusableError(message)
        return [found[position] for position in wanted]

    async def _dispositions(self) -> Dispositions:
        latest: dict[LetterPosition, Disposition] = {}
        async for record in self._done.records():
            try:
                one = Disposition.model_validate_json(record.value or b"")
            except ValidationError:
                continue
            latest[LetterPosition(one.letter.partition, one.letter.offset)] = one
        return latest

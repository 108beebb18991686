"""What a command says when Kafka refuses something."""

import pytest
from aiokafka.errors import KafkaConnectionError, TopicAuthorizationFailedError

from purposewatch_cli import kafka
from purposewatch_runtime.kafka import KafkaAccessError
from purposewatch_runtime.settings import KafkaSettings

SETTINGS = KafkaSettings(kafka_bootstrap_servers="127.0.0.1:1")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (TopicAuthorizationFailedError("t"), "^not authorised to read from `t`: grant READ to "),
        (KafkaAccessError("grant WRITE to User:a"), "^grant WRITE to User:a$"),
        (KafkaConnectionError("closed"), r"^no Kafka answers at `127\.0\.0\.1:1`"),
    ],
)
async def test_an_error_is_one_sentence(error: Exception, said: str) -> None:
    """A refusal names the right; where nothing answers, the variable is named."""
    with pytest.raises(kafka.UnusableError, match=said):
        async with kafka._answering(SETTINGS):
            raise error

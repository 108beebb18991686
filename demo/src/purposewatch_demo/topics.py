"""A cluster that is not the demonstration's own: is it there, and leave nothing behind in it."""

import asyncio

from aiokafka.errors import KafkaError

from purposewatch_contract import declared_topics, topic_name
from purposewatch_demo.stage import KAFKA_VARIABLE
from purposewatch_runtime.kafka import build_admin
from purposewatch_runtime.settings import KafkaSettings

CLIENT_ID = "purposewatch-demo"

_ANSWER_SECONDS = 20.0


class ClusterAwayError(Exception):
    """No Kafka answers; the message says where."""


async def find_cluster(settings: KafkaSettings) -> None:
    """Return when the cluster answers. Raises `ClusterAwayError`."""
    admin = build_admin(settings, client_id=CLIENT_ID)
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            await admin.start()
            await admin.list_topics()
    except (KafkaError, OSError, TimeoutError) as error:
        message = (
            f"no Kafka answers at `{settings.kafka_bootstrap_servers}` "
            f"({type(error).__name__}); correct {KAFKA_VARIABLE} and what belongs to it, "
            "or unset it to use the embedded broker"
        )
        raise ClusterAwayError(message) from error
    finally:
        await admin.close()


async def delete_topics(settings: KafkaSettings) -> str | None:
    """Delete the topics of this prefix; say what is left when that fails."""
    names = [topic_name(settings.topic_prefix, name) for name in declared_topics()]
    admin = build_admin(settings, client_id=CLIENT_ID)
    try:
        await admin.start()
        await admin.delete_topics(names)
    except (KafkaError, OSError) as error:
        return f"could not delete {', '.join(names)} ({type(error).__name__}); delete them yourself"
    finally:
        await admin.close()
    return None

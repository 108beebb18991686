"""The topics, read from `topics.yaml`: names, keys, schemas and broker configuration."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter

TopicName = Literal["raw", "events", "verdicts", "dead-letters", "dispositions", "gaps", "facts"]

RAW: TopicName = "raw"
EVENTS: TopicName = "events"
VERDICTS: TopicName = "verdicts"
DEAD_LETTERS: TopicName = "dead-letters"
DISPOSITIONS: TopicName = "dispositions"
GAPS: TopicName = "gaps"
FACTS: TopicName = "facts"


class Topic(BaseModel):
    """One topic's declaration; `config` holds broker settings by their Kafka names."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    description: str
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    key: str
    schemas: tuple[str, ...]
    """Of the messages that it holds; `type` tells those of one topic apart."""
    personal_data: Literal["identified", "pseudonymous", "none"]
    config: Mapping[str, str]


@cache
def declared_topics() -> Mapping[TopicName, Topic]:
    """All topics by short name. The declaration ships with the package and never changes."""
    text = files("purposewatch_contract").joinpath("topics.yaml").read_text(encoding="utf-8")
    document = yaml.safe_load(text)
    for topic in document.values():
        topic["config"] = {key: str(value) for key, value in topic["config"].items()}
    return TypeAdapter(dict[TopicName, Topic]).validate_python(document)


def declared_topic(prefix: str, full_name: str) -> Topic | None:
    """The declaration of the topic with this full name; `None` for a topic of another system."""
    names = {topic_name(prefix, name): topic for name, topic in declared_topics().items()}
    return names.get(full_name)


def topic_name(prefix: str, name: TopicName) -> str:
    """The topic's full name on the broker, for example `data-access.events`."""
    return f"{prefix}.{name}"

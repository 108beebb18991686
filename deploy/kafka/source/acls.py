"""The rights in Kafka that `acls.yaml` declares: its reader, and the rights one by one."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import yaml
from pydantic import BaseModel, ConfigDict, Field

from purposewatch_contract import RAW, TopicName, declared_topics, topic_name

DIRECTORY = Path(__file__).resolve().parent.parent
PUBLISHERS = "platform services"
"""What `topics.yaml` calls those who publish straight to the raw topic."""

ResourceType: TypeAlias = Literal["topic", "group"]
Operation: TypeAlias = Literal["Read", "Write", "Describe", "DescribeConfigs"]
_Name: TypeAlias = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,80}[a-z0-9])?$")]


class _Declared(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Service(_Declared):
    """What one service may do."""

    serves: str | None = Field(
        default=None, description="What topics.yaml calls it, if not by the principal's name."
    )
    reads: tuple[TopicName, ...] = ()
    writes: tuple[TopicName, ...] = ()
    groups: tuple[_Name, ...] = Field(
        default=(), description="Consumer groups, without the prefix of the topics."
    )


class Acls(_Declared):
    """Who may do what in Kafka."""

    principal_prefix: str = Field(pattern=r"^[A-Za-z0-9._-]{0,80}$")
    services: Mapping[_Name, Service]
    publishers: tuple[_Name, ...] = Field(description="Publish straight to the raw topic.")

    def principal(self, name: str) -> str:
        """The name in Kafka, without the type `User:`."""
        return f"{self.principal_prefix}{name}"


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """One operation that one principal may do on one resource; names are full."""

    principal: str
    resource: ResourceType
    name: str
    operation: Operation


def load(path: Path = DIRECTORY / "acls.yaml") -> Acls:
    """Read a declaration. Raises `ValidationError`."""
    return Acls.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))


def json_schema() -> dict[str, Any]:
    """The JSON Schema of `acls.yaml`."""
    schema = Acls.model_json_schema(mode="validation")
    schema["properties"]["services"]["additionalProperties"] = False  # names of another pattern
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def rights(acls: Acls, topic_prefix: str) -> Iterator[Right]:
    """Every right, ordered by principal and resource."""
    for name, service in acls.services.items():
        principal = acls.principal(name)
        for topic in declared_topics():
            full = topic_name(topic_prefix, topic)
            if topic in service.reads:
                yield Right(principal, "topic", full, "Read")
            if topic in service.writes:
                yield Right(principal, "topic", full, "Write")
            if topic in service.reads or topic in service.writes:
                yield Right(principal, "topic", full, "Describe")
                yield Right(principal, "topic", full, "DescribeConfigs")
        for group in service.groups:
            yield Right(principal, "group", f"{topic_prefix}.{group}", "Read")
    for name in acls.publishers:
        principal = acls.principal(f"publisher-{name}")
        yield Right(principal, "topic", topic_name(topic_prefix, RAW), "Write")
        yield Right(principal, "topic", topic_name(topic_prefix, RAW), "Describe")


def disagreements(acls: Acls) -> Iterator[str]:
    """Say for each topic where its producers and consumers are not those that have the right."""
    for topic, declared in declared_topics().items():
        for says, right in ((declared.producers, "writes"), (declared.consumers, "reads")):
            may = {
                service.serves or name
                for name, service in acls.services.items()
                if topic in getattr(service, right)
            }
            if topic == RAW and right == "writes" and acls.publishers:
                may.add(PUBLISHERS)
            if not may:
                yield f"`{topic}`: nobody {right} it"
            if may != set(says):
                yield (
                    f"`{topic}`: acls.yaml lets {_names(may)} {right.removesuffix('s')} it, "
                    f"topics.yaml says {_names(set(says))}"
                )


def _names(found: set[str]) -> str:
    return ", ".join(sorted(found)) or "nobody"

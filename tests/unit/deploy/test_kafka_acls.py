"""Rights in Kafka are declared once, for every topic, and what applies them is generated."""

import argparse
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
import yaml
from pydantic import ValidationError

from deploy.kafka.source.acls import DIRECTORY, Acls, disagreements, json_schema, load, rights
from deploy.kafka.source.generate import files
from purposewatch_contract import EVENTS, FACTS, GAPS, VERDICTS, TopicName, declared_topics

ACLS = load()


def with_rights(service: str, **changed: object) -> Acls:
    """The declaration with another service."""
    other = ACLS.services[service].model_copy(update=changed)
    return ACLS.model_copy(update={"services": {**ACLS.services, service: other}})


def test_every_topic_has_the_readers_and_writers_that_the_topics_declare() -> None:
    """Both files are checked against each other, and no topic is forgotten."""
    assert list(disagreements(ACLS)) == []


@pytest.mark.parametrize("topic", declared_topics())
def test_a_topic_that_nobody_may_read_or_write_is_found(topic: TopicName) -> None:
    """For every topic, and for both rights."""
    none = {
        name: service.model_copy(
            update={
                "reads": tuple(set(service.reads) - {topic}),
                "writes": tuple(set(service.writes) - {topic}),
            }
        )
        for name, service in ACLS.services.items()
    }
    found = list(disagreements(ACLS.model_copy(update={"services": none, "publishers": ()})))
    assert [each for each in found if "nobody" in each and f"`{topic}`: nobody" in each] == [
        f"`{topic}`: nobody writes it",
        f"`{topic}`: nobody reads it",
    ]


def test_a_right_too_much_is_a_disagreement() -> None:
    """The reporter writes no topic."""
    found = list(disagreements(with_rights("reporter", writes=(VERDICTS,))))
    assert found == [
        "`verdicts`: acls.yaml lets auditor, reporter write it, topics.yaml says auditor"
    ]


@pytest.mark.parametrize(
    ("topic", "writers"),
    [
        (EVENTS, {"ingest", "dead-letters"}),
        (FACTS, {"ingest", "auditor"}),
        (GAPS, {"ingest"}),
        (VERDICTS, {"auditor"}),
    ],
)
def test_what_others_rely_on_is_written_by_few(topic: TopicName, writers: set[str]) -> None:
    """Whoever writes verdicts can forge them."""
    assert {n for n, each in ACLS.services.items() if topic in each.writes} == writers


def test_nobody_may_create_alter_or_delete() -> None:
    """The operations are read, write and describe; publishers may only write to the raw topic."""
    granted = list(rights(ACLS, "p"))
    assert {r.operation for r in granted} == {"Read", "Write", "Describe", "DescribeConfigs"}
    publisher = {r for r in granted if r.principal == "purposewatch-publisher-crm"}
    assert {(r.name, r.operation) for r in publisher} == {("p.raw", "Write"), ("p.raw", "Describe")}
    assert len(granted) == len(set(granted))


@pytest.mark.parametrize(
    "change",
    [
        {"services": {"ingest": {"reads": ["typo"]}}},
        {"services": {"ingest": {"creates": ["raw"]}}},
        {"services": {"In gest": {}}},
        {"publishers": "crm"},
        {"publishers": ["a b"]},
    ],
)
def test_a_faulty_declaration_is_refused(change: dict[str, object], tmp_path: Path) -> None:
    """By the reader, and by the JSON Schema that editors read."""
    good = yaml.safe_load((DIRECTORY / "acls.yaml").read_text(encoding="utf-8"))
    jsonschema.validate(good, json_schema())
    path = tmp_path / "acls.yaml"
    path.write_text(yaml.safe_dump(good | change), encoding="utf-8")
    with pytest.raises(ValidationError):
        load(path)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(good | change, json_schema())


@pytest.mark.parametrize("path", files(), ids=lambda path: path.name)
def test_generated_files_are_fresh(path: Path) -> None:
    """`make acls` writes them."""
    assert path.read_text(encoding="utf-8") == files()[path]


def test_the_script_grants_what_is_declared_and_creates_every_topic(tmp_path: Path) -> None:
    """With another prefix; the tools that it runs are stand-ins that note their arguments."""
    prefix = "a.Prefix_1"
    noted = {}
    for tool in ("KAFKA_TOPICS", "KAFKA_ACLS", "KAFKA_CONFIGS"):
        noted[tool] = tmp_path / f"{tool}.log"
        stand_in = tmp_path / tool
        shows = 'cat "${11}"; ' if tool == "KAFKA_CONFIGS" else ""
        stand_in.write_text(f'#!/bin/sh\n(echo "$@"; {shows}) >>{noted[tool]}\n', encoding="utf-8")
        stand_in.chmod(0o755)
    environment = {
        "PATH": os.environ["PATH"],
        "BOOTSTRAP_SERVERS": "kafka:9093",
        "COMMAND_CONFIG": "admin.properties",
        "PURPOSEWATCH_TOPIC_PREFIX": prefix,
        "PASSWORD_DEAD_LETTERS": "the password",
        **{tool: str(tmp_path / tool) for tool in noted},
    }
    subprocess.run([DIRECTORY / "set-up.sh"], env=environment, check=True)
    granted = {
        (principal, kind, name, operation)
        for line in noted["KAFKA_ACLS"].read_text(encoding="utf-8").splitlines()
        for principal, kind, name, operation in _granted(line)
    }
    assert granted == {
        (f"User:{r.principal}", r.resource, r.name, r.operation) for r in rights(ACLS, prefix)
    }
    [added, password] = noted["KAFKA_CONFIGS"].read_text(encoding="utf-8").splitlines()
    assert "--entity-type users --entity-name purposewatch-dead-letters --add" in added
    assert "password" not in added  # others can see the arguments of a process
    assert password == "SCRAM-SHA-512=password=the password"
    created = noted["KAFKA_TOPICS"].read_text(encoding="utf-8").splitlines()
    assert len(created) == len(declared_topics())
    for line, (name, topic) in zip(created, declared_topics().items(), strict=True):
        assert f"--create --if-not-exists --topic {prefix}.{name} --partitions 6 " in line
        assert line.endswith(" ".join(f"--config {k}={v}" for k, v in topic.config.items()))


def _granted(line: str) -> Iterator[tuple[str, str, str, str]]:
    parser = argparse.ArgumentParser()
    for option in ("bootstrap-server", "command-config", "allow-principal"):
        parser.add_argument(f"--{option}", required=True)
    parser.add_argument("--add", action="store_true")
    for option in ("operation", "topic", "group"):
        parser.add_argument(f"--{option}", action="append", default=[])
    said = parser.parse_args(line.split())
    assert said.add
    for operation in said.operation:
        for kind, names in (("topic", said.topic), ("group", said.group)):
            for name in names:
                yield said.allow_principal, kind, name, operation


def test_the_manifests_grant_what_is_declared() -> None:
    """Each user has its rights and no others; each topic its configuration."""
    documents = list(yaml.safe_load_all((DIRECTORY / "strimzi.yaml").read_text(encoding="utf-8")))
    granted = {
        (user["metadata"]["name"], acl["resource"]["type"], acl["resource"]["name"], operation)
        for user in documents
        if user["kind"] == "KafkaUser"
        for acl in user["spec"]["authorization"]["acls"]
        for operation in acl["operations"]
    }
    assert granted == {
        (r.principal, r.resource, r.name, r.operation) for r in rights(ACLS, "data-access")
    }
    topics = {
        each["spec"]["topicName"]: {k: str(v) for k, v in each["spec"]["config"].items()}
        for each in documents
        if each["kind"] == "KafkaTopic"
    }
    assert topics == {f"data-access.{n}": dict(t.config) for n, t in declared_topics().items()}

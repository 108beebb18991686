"""Everything a demonstration runs on: a directory, ports, keys, and each service's environment."""

import os
import random
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType

import yaml

from purposewatch_demo.processes import ServiceSpec
from purposewatch_runtime.settings import KafkaSettings

SERVICES = ("ingest", "auditor", "reporter")
"""In the order in which they are started; they are stopped in the same order."""

NOTHING: Mapping[str, frozenset[str]] = MappingProxyType({})

KAFKA_VARIABLE = "PURPOSEWATCH_KAFKA_BOOTSTRAP_SERVERS"

_PREFIX = "PURPOSEWATCH_"
_KEPT_WITH_A_CLUSTER = ("KAFKA_", "TOPIC_PARTITIONS", "TOPIC_REPLICATION_FACTOR")
# Below the range from which systems take ports of outgoing connections: a service that is
# started again must find its port free.
_PORTS = range(18_600, 32_000)
_PORT_ATTEMPTS = 200


class PortTakenError(Exception):
    """A port that was asked for can't be had; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What has been prepared for one run."""

    directory: Path
    kafka: KafkaSettings
    keys: Mapping[str, str]
    """API keys by publisher."""
    services: Mapping[str, ServiceSpec]


def prepare(
    directory: Path,
    policies: Path,
    controllers: Mapping[str, frozenset[str]],
    *,
    embedded: str | None,
    facts: Mapping[str, frozenset[str]] = NOTHING,
) -> Stage:
    """Prepare a run in an empty directory.

    `controllers` are each publisher's, `facts` what some may state. `embedded` is the address of
    the embedded broker; without one, the cluster that the environment names is used, with topics of
    the run's own. Raises `PortTakenError`.
    """
    keys = {publisher: f"pwk_{secrets.token_urlsafe(32)}" for publisher in controllers}
    register = directory / "publishers.yaml"
    write_register(register, keys, controllers, facts)
    prefix = f"purposewatch-demo-{secrets.token_hex(4)}"
    environment = _inherited(with_cluster=embedded is None) | {
        "PURPOSEWATCH_TOPIC_PREFIX": prefix,
        "PURPOSEWATCH_POLICIES_DIR": str(policies.absolute()),
        "PURPOSEWATCH_PUBLISHERS_FILE": str(register),
        "PURPOSEWATCH_PSEUDONYM_KEY": secrets.token_hex(32),
        "PURPOSEWATCH_DATABASE_URL": f"sqlite+aiosqlite:///{directory / 'purposewatch.db'}",
        "PURPOSEWATCH_FACTS_DIR": str(directory / "facts"),
        "PURPOSEWATCH_LOG_FORMAT": "json",
    }
    if embedded is not None:
        environment |= {
            KAFKA_VARIABLE: embedded,
            "PURPOSEWATCH_KAFKA_ENABLE_IDEMPOTENCE": "false",
            "PURPOSEWATCH_KAFKA_FETCH_MAX_WAIT_MS": "10",
            # joining a group takes the embedded broker half of this time
            "PURPOSEWATCH_KAFKA_SESSION_TIMEOUT_MS": "3000",
            "PURPOSEWATCH_TOPIC_REPLICATION_FACTOR": "1",
        }
    ports = _ports()
    for service, port in ports.items():
        name = f"{_PREFIX}{service.upper()}_HTTP"
        environment |= {f"{name}_HOST": "127.0.0.1", f"{name}_PORT": str(port)}
    environment[f"{_PREFIX}INGEST_REPORTER_URL"] = f"http://127.0.0.1:{ports['reporter']}"
    return Stage(
        directory=directory,
        kafka=_kafka_settings(prefix, embedded),
        keys=keys,
        services={
            name: ServiceSpec(
                name=name,
                module=f"purposewatch_{name}",
                port=ports[name],
                environment=environment,
                log=directory / f"{name}.log",
            )
            for name in SERVICES
        },
    )


def write_register(
    path: Path,
    keys: Mapping[str, str],
    controllers: Mapping[str, frozenset[str]],
    facts: Mapping[str, frozenset[str]] = NOTHING,
) -> None:
    """Write the register of publishers: each one's key, hashed, its controllers and its facts."""
    publishers = {
        name: {
            "key_sha256": [sha256(key.encode()).hexdigest()],
            "controllers": sorted(controllers[name]),
            **({"states_facts": sorted(facts[name])} if name in facts else {}),
        }
        for name, key in keys.items()
    }
    path.write_text(yaml.safe_dump({"publishers": publishers}), encoding="utf-8")


def _inherited(*, with_cluster: bool) -> dict[str, str]:
    """The caller's environment without its Purposewatch settings, save those for the cluster.

    A demonstration must not write into the caller's database or call the caller's webhook.
    """
    kept = ("LOG_LEVEL", *(_KEPT_WITH_A_CLUSTER if with_cluster else ()))
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_PREFIX) or name.removeprefix(_PREFIX).startswith(kept)
    }


def _kafka_settings(prefix: str, embedded: str | None) -> KafkaSettings:
    """The demonstration's own connection, to the same place as the services'."""
    if embedded is None:
        return KafkaSettings(topic_prefix=prefix)
    return KafkaSettings(
        kafka_bootstrap_servers=embedded,
        kafka_security_protocol="PLAINTEXT",
        kafka_ssl_keyfile=None,
        kafka_enable_idempotence=False,
        topic_prefix=prefix,
    )


def _ports() -> dict[str, int]:
    ports: dict[str, int] = {}
    for service in SERVICES:
        variable = f"{_PREFIX}{service.upper()}_HTTP_PORT"
        wanted = os.environ.get(variable)
        if wanted is None:
            ports[service] = _free_port(set(ports.values()))
        elif wanted.isdecimal() and _is_free(int(wanted)):
            ports[service] = int(wanted)
        else:
            message = f"port {wanted} of {variable} can't be had; free it or unset the variable"
            raise PortTakenError(message)
    return ports


def _free_port(taken: set[int]) -> int:
    for _ in range(_PORT_ATTEMPTS):
        port = random.choice(_PORTS)  # noqa: S311 - any free one will do
        if port not in taken and _is_free(port):
            return port
    message = f"found no free port from {_PORTS.start} to {_PORTS.stop - 1}; free some"
    raise PortTakenError(message)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            return False
    return True

"""The compose file and the Dockerfiles, as far as they can be checked without Docker."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic_settings import BaseSettings

from deploy.kafka.source.acls import load
from purposewatch_auditor.settings import AuditorSettings
from purposewatch_ingest.settings import IngestSettings
from purposewatch_reporter.processing_record.details_file import load_details
from purposewatch_reporter.settings import ReporterSettings
from tests.harness.compose_kafka import secrets_script

ROOT = Path(__file__).resolve().parents[3]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
DOCKERFILES = sorted(
    [*ROOT.glob("services/*/Dockerfile"), ROOT / "cli/Dockerfile", ROOT / "connectors/Dockerfile"]
)
PINNED = re.compile(r"[a-z0-9./-]+:[\w.-]+@sha256:[0-9a-f]{64}")
SETTINGS: dict[str, type[BaseSettings]] = {
    "auditor": AuditorSettings,
    "ingest": IngestSettings,
    "reporter": ReporterSettings,
}


@pytest.mark.parametrize("name", SETTINGS)
def test_every_variable_is_a_setting_of_its_service(name: str) -> None:
    """A misspelt one would be ignored without a word."""
    known = {f"PURPOSEWATCH_{field.upper()}" for field in SETTINGS[name].model_fields}
    assert COMPOSE["services"][name]["environment"].keys() - known == set()


@pytest.mark.parametrize(
    "name",
    [name for name, each in COMPOSE["services"].items() if "bus" in each.get("networks", [])],
)
def test_whoever_reaches_kafka_is_a_user_of_it(name: str) -> None:
    """Over TLS, with the rights that `acls.yaml` gives that name, and its own password."""
    if name == "kafka":
        return
    service = COMPOSE["services"][name]
    environment = service["environment"]
    assert environment["PURPOSEWATCH_KAFKA_SECURITY_PROTOCOL"] == "SASL_SSL"
    assert environment["PURPOSEWATCH_KAFKA_SASL_USERNAME"] == load().principal(name)
    assert name in load().services
    assert f"deploy/secrets/kafka-{name}.env" in service["env_file"]
    assert environment["PURPOSEWATCH_KAFKA_SSL_CAFILE"] == "/srv/trust/ca.pem"
    assert "kafka-setup" in service["depends_on"]


def test_kafka_has_no_listener_for_strangers() -> None:
    """Without TLS and password, only the loopback interface, which kafka-setup shares."""
    kafka, setup = (COMPOSE["services"][name] for name in ("kafka", "kafka-setup"))
    environment = kafka["environment"]
    protocols = dict(
        each.split(":") for each in environment["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(",")
    )
    for listener in environment["KAFKA_LISTENERS"].split(","):
        name, _, address = listener.partition("://")
        assert address.startswith("localhost:") or protocols[name] == "SASL_SSL"
    assert setup["network_mode"] == "service:kafka"
    assert setup["image"] == kafka["image"]
    users = [f"deploy/secrets/kafka-{user}.env" for user in secrets_script().KAFKA_USERS]
    assert setup["env_file"] == users


def test_every_file_of_variables_is_generated(tmp_path: Path) -> None:
    """Compose would refuse to start without one; that of the traffic is optional."""
    secrets_script().generate(tmp_path / "deploy", ROOT / "policies")
    named = {
        each
        for service in COMPOSE["services"].values()
        for each in service.get("env_file", [])
        if isinstance(each, str)
    }
    assert [each for each in sorted(named) if not (tmp_path / each).is_file()] == []


@pytest.mark.parametrize("name", SETTINGS)
def test_every_file_that_a_service_reads_is_mounted(name: str, tmp_path: Path) -> None:
    """From a directory of the repository; what is not in it is generated."""
    secrets_script().generate(tmp_path / "deploy", ROOT / "policies")
    service = COMPOSE["services"][name]
    sources = {each["target"]: each["source"] for each in service["volumes"] if "target" in each}
    files = [each for each in service["environment"].values() if str(each).startswith("/srv/")]
    for file in map(Path, files):
        found = Path(sources[str(file.parent)], file.name)
        assert (ROOT / found).is_file() or (tmp_path / found).is_file(), found


def test_details_for_records_are_valid(tmp_path: Path) -> None:
    """With what is only a comment in the file, too."""
    file = ROOT / "deploy/records/records.yaml"
    assert load_details(file) == {}
    lines = [line.removeprefix("#") for line in file.read_text(encoding="utf-8").splitlines()]
    example = tmp_path / file.name
    example.write_text("\n".join(["controllers:", *lines[lines.index("controllers: {}") + 1 :]]))
    assert load_details(example)["wework-labs"].controller


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_every_container_is_hardened(name: str) -> None:
    """No capability, no new privileges, nothing to write to, and limits."""
    service = COMPOSE["services"][name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory", "pids"}


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_ports_are_open_to_this_machine_alone(name: str) -> None:
    """Whoever wants more puts a reverse proxy in front."""
    ports = COMPOSE["services"][name].get("ports", [])
    assert all(port.startswith("127.0.0.1:") for port in ports)


@pytest.mark.parametrize("name", SETTINGS)
def test_an_image_runs_without_privileges_and_probes_its_own_port(name: str) -> None:
    """The port is the setting's default."""
    text = (ROOT / f"services/{name}/Dockerfile").read_text(encoding="utf-8")
    port = SETTINGS[name].model_fields[f"{name}_http_port"].default
    assert "\nUSER 10001:10001\n" in text
    assert f"\nEXPOSE {port}\n" in text
    assert f'"purposewatch_runtime.probe", "{port}"' in text
    assert f"requirements/{name}.txt" in text


def test_images_of_others_are_pinned_by_digest() -> None:
    """A tag can be given to another image; a digest can't."""
    images = [service["image"] for service in COMPOSE["services"].values() if "image" in service]
    assert len(images) == 6
    assert [image for image in images if not PINNED.fullmatch(image)] == []


def test_own_images_have_the_same_pinned_base() -> None:
    """Each Dockerfile names it in one FROM, where the dependency bot finds it, and builds on it."""
    bases = set()
    for dockerfile in DOCKERFILES:
        text = dockerfile.read_text(encoding="utf-8")
        [base] = re.findall(r"^FROM (\S+) AS pinned$", text, re.MULTILINE)
        assert PINNED.fullmatch(base)
        assert "\nARG PYTHON_IMAGE=pinned\n" in text
        stages = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
        assert set(stages) == {base, "${PYTHON_IMAGE}"} | ({"build"} & set(stages))
        assert stages[-1] == "${PYTHON_IMAGE}"
        bases.add(base)
    assert len(DOCKERFILES) == 5
    assert len(bases) == 1


@pytest.mark.parametrize("directory", ["services/ingest", "services/auditor", "cli"])
def test_images_that_decide_have_the_compiled_engine(directory: str) -> None:
    """The compilers are in a stage of which only the result is copied."""
    text = (ROOT / directory / "Dockerfile").read_text(encoding="utf-8")
    *_, compiling, final = re.split(r"^FROM ", text, flags=re.MULTILINE)
    assert compiling.startswith("build AS compiled\n")
    assert "requirements/engine.txt" in compiling
    assert "release/compile.py" in compiling
    assert re.findall(r"--from=(\S+) (\S+)", final) == [("compiled", "/opt/purposewatch")]


def test_dependency_bot_renews_every_digest() -> None:
    """It looks into every folder with a Dockerfile, and into the compose file."""
    bot = yaml.safe_load((ROOT / ".github/dependabot.yml").read_text(encoding="utf-8"))
    looked_into = {
        (each["package-ecosystem"], directory)
        for each in bot["updates"]
        for directory in each.get("directories", [each.get("directory")])
    }
    expected = {("docker", f"/{file.parent.relative_to(ROOT).as_posix()}") for file in DOCKERFILES}
    assert expected | {("docker-compose", "/")} <= looked_into

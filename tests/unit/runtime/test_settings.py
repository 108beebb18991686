"""Settings come from the environment, whole and validated."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from purposewatch_auditor.settings import AuditorSettings
from purposewatch_ingest.settings import IngestSettings
from purposewatch_reporter.settings import ReporterSettings
from purposewatch_runtime.settings import (
    HttpSettings,
    KafkaSettings,
    deprecated,
    load_settings,
    misspelt,
)


def test_defaults_are_safe() -> None:
    """Without any variable a producer is idempotent and topics take the broker's replication."""
    settings = KafkaSettings()

    assert settings.kafka_enable_idempotence
    assert settings.topic_replication_factor == -1


def test_environment_sets_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """A field is the variable of the same name behind PURPOSEWATCH_."""
    monkeypatch.setenv("PURPOSEWATCH_TOPIC_PREFIX", "acme.audit")

    assert KafkaSettings().topic_prefix == "acme.audit"


def test_sasl_needs_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """SASL without user name and password is refused with the variables' names."""
    monkeypatch.setenv("PURPOSEWATCH_KAFKA_SECURITY_PROTOCOL", "SASL_SSL")

    with pytest.raises(ValidationError, match="PURPOSEWATCH_KAFKA_SASL_PASSWORD"):
        KafkaSettings()


def test_faulty_variable_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A process with a faulty variable ends with status 2 and says which variable it is."""
    monkeypatch.setenv("PURPOSEWATCH_TOPIC_PARTITIONS", "many")

    with pytest.raises(SystemExit) as ended:
        load_settings(KafkaSettings)

    assert ended.value.code == 2
    assert "PURPOSEWATCH_TOPIC_PARTITIONS" in capsys.readouterr().err


@pytest.mark.parametrize(
    "proxies", ["*", "proxy.internal", "10.0.0.7,", "10.0.0.7/24", "10.0.0.300"]
)
def test_proxies_are_named_by_address(proxies: str) -> None:
    """A name or `*` would believe whoever claims it."""
    with pytest.raises(ValidationError, match=r"10\.0\.0\.0/24"):
        HttpSettings(trusted_proxies=proxies)


class _Needy(KafkaSettings):
    publishers_file: Path


def test_a_missing_variable_and_a_broken_rule_are_explained(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without the words of the library that reads the variables."""
    with pytest.raises(SystemExit):
        load_settings(_Needy)
    assert capsys.readouterr().err == "PURPOSEWATCH_PUBLISHERS_FILE: is missing; set it\n"

    monkeypatch.setenv("PURPOSEWATCH_KAFKA_SECURITY_PROTOCOL", "SASL_SSL")
    with pytest.raises(SystemExit):
        load_settings(KafkaSettings)
    assert capsys.readouterr().err.startswith("settings: SASL needs both ")


def test_password_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Printing the settings does not print the password."""
    monkeypatch.setenv("PURPOSEWATCH_KAFKA_SECURITY_PROTOCOL", "SASL_SSL")
    monkeypatch.setenv("PURPOSEWATCH_KAFKA_SASL_USERNAME", "auditor")
    monkeypatch.setenv("PURPOSEWATCH_KAFKA_SASL_PASSWORD", "hunter2")

    assert "hunter2" not in repr(KafkaSettings())


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("PURPOSEWATCH_KAFKA_BOOTSTRAP_SERVER", "PURPOSEWATCH_KAFKA_BOOTSTRAP_SERVERS"),
        ("PURPOSEWATCH_KAKFA_SASL_PASSWORD", "PURPOSEWATCH_KAFKA_SASL_PASSWORD"),
        ("PURPOSEWATCH_TOPIC_PREFX", "PURPOSEWATCH_TOPIC_PREFIX"),
        ("purposewatch_topic_partition", "PURPOSEWATCH_TOPIC_PARTITIONS"),
    ],
)
def test_misspelt_variable_is_named_with_the_one_meant(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, near: str
) -> None:
    """A variable that nothing reads is named, never with its value, and the service starts."""
    monkeypatch.setenv(name, "secret")

    load_settings(KafkaSettings)

    assert capsys.readouterr().err == f"{name}: is not read; is {near} meant?\n"


RENAMED = [
    (
        KafkaSettings,
        "PURPOSEWATCH_KAFKA_POISON_DEATHS",
        "PURPOSEWATCH_KAFKA_POISON_MAX_CRASHES",
    ),
    (
        IngestSettings,
        "PURPOSEWATCH_INGEST_CONFIRM_TIMEOUT_SECONDS",
        "PURPOSEWATCH_INGEST_ACKNOWLEDGE_TIMEOUT_SECONDS",
    ),
    (
        ReporterSettings,
        "PURPOSEWATCH_REPORTER_BOOKS_SECONDS",
        "PURPOSEWATCH_REPORTER_RECONCILE_SECONDS",
    ),
    (
        ReporterSettings,
        "PURPOSEWATCH_REPORTER_BOOKS_ALERT_SECONDS",
        "PURPOSEWATCH_REPORTER_RECONCILE_ALERT_SECONDS",
    ),
]


@pytest.fixture
def _needed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What ingest does not start without."""
    monkeypatch.setenv("PURPOSEWATCH_PUBLISHERS_FILE", str(tmp_path))
    monkeypatch.setenv("PURPOSEWATCH_PSEUDONYM_KEY", "ab" * 32)


@pytest.mark.usefixtures("_needed")
@pytest.mark.parametrize(("kind", "old", "new"), RENAMED, ids=[old for _, old, _ in RENAMED])
def test_old_name_works_with_a_warning(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    kind: type[KafkaSettings],
    old: str,
    new: str,
) -> None:
    """For one release a renamed variable is read under its old name, whatever its case."""
    monkeypatch.setenv(old.lower(), "7")

    settings = load_settings(kind)

    assert getattr(settings, new.removeprefix("PURPOSEWATCH_").lower()) == 7
    assert capsys.readouterr().err == (
        f"{old}: is renamed; set {new} instead, the next release ignores the old name\n"
    )


@pytest.mark.usefixtures("_needed")
@pytest.mark.parametrize(("kind", "old", "new"), RENAMED, ids=[old for _, old, _ in RENAMED])
def test_new_name_wins_over_the_old_one(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    kind: type[KafkaSettings],
    old: str,
    new: str,
) -> None:
    """With both set, the new variable is used, and the warning says so."""
    monkeypatch.setenv(old, "7")
    monkeypatch.setenv(new, "8")

    settings = load_settings(kind)

    assert getattr(settings, new.removeprefix("PURPOSEWATCH_").lower()) == 8
    assert capsys.readouterr().err == (
        f"{old}: is renamed, and ignored because {new} is set; remove it\n"
    )


def test_old_name_is_validated_as_the_new_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An invalid value ends the start; both lines together say where it came from."""
    monkeypatch.setenv("PURPOSEWATCH_KAFKA_POISON_DEATHS", "none")

    with pytest.raises(SystemExit):
        load_settings(KafkaSettings)

    printed = capsys.readouterr().err
    assert "PURPOSEWATCH_KAFKA_POISON_DEATHS: is renamed" in printed
    assert "PURPOSEWATCH_KAFKA_POISON_MAX_CRASHES: input should be" in printed


def test_nothing_is_deprecated_under_new_names() -> None:
    """A start without old variables warns of nothing."""
    names = [new for _, _, new in RENAMED]

    assert [line for kind, _, _ in RENAMED for line in deprecated(kind, names)] == []


def test_variables_of_other_services_are_not_misspellings() -> None:
    """Services may share one environment: no variable of one looks like another's."""
    kinds = (IngestSettings, AuditorSettings, ReporterSettings)
    names = [f"PURPOSEWATCH_{field.upper()}" for kind in kinds for field in kind.model_fields]

    for kind in kinds:
        assert list(misspelt(kind, names)) == []

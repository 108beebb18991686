"""The pods: hardened, probed, and configured with settings that their services accept."""

import re
from base64 import b64encode
from pathlib import Path

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from pydantic import SecretStr
from pydantic_settings import BaseSettings

from deploy.helm.source.settings import SERVICES as SETTINGS
from deploy.helm.source.settings import declared
from purposewatch_reporter.settings import DatabaseSettings
from tests.chart.render import EXAMPLES, SERVICES, Manifest, environment, of_kind, pods, render
from tests.harness.certificates import Authority

KINDS: dict[str, type[BaseSettings]] = {**SETTINGS, "migration": DatabaseSettings}
PASSWORDS = {"PGPASSWORD"}
OF_THE_DRIVER = {"PGSSLMODE", "PGSSLROOTCERT"}


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_pod_is_hardened(name: str) -> None:
    """No root, no capability, nothing to write to but its volumes, no token, and limits."""
    found = pods(render(name))
    assert found.keys() == {*SERVICES, "migration"}
    for pod in found.values():
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["enableServiceLinks"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] == 10001
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        [container] = spec["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
        }
        for bound in ("requests", "limits"):
            assert container["resources"][bound].keys() == {"cpu", "memory"}


@pytest.mark.parametrize("name", EXAMPLES)
def test_mounts_have_their_volume_and_no_volume_is_left_over(name: str) -> None:
    """Only temporary files, facts and the bundle in use are writable."""
    for pod in pods(render(name)).values():
        [container] = pod["spec"]["containers"]
        mounts = {each["name"]: each for each in container["volumeMounts"]}
        assert mounts.keys() == {each["name"] for each in pod["spec"]["volumes"]}
        writable = {key for key, mount in mounts.items() if not mount.get("readOnly")}
        assert writable <= {"bundle", "facts", "tmp"}


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("service", SERVICES)
def test_probes_ask_the_port_on_which_the_service_listens(name: str, service: str) -> None:
    """With TLS, over TLS."""
    [container] = pods(render(name))[service]["spec"]["containers"]
    port = SETTINGS[service].model_fields[f"{service}_http_port"].default
    assert container["ports"] == [{"name": "http", "containerPort": port}]
    tls = "PURPOSEWATCH_INGEST_TLS_CERTFILE" in environment(pods(render(name))[service])
    scheme = "HTTPS" if tls else "HTTP"
    for probe, path in (("startup", "/livez"), ("liveness", "/livez"), ("readiness", "/readyz")):
        get = container[f"{probe}Probe"]["httpGet"]
        assert get == {"path": path, "port": "http", "scheme": scheme}


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_variable_is_a_setting_of_its_service(name: str) -> None:
    """One that is not declared would have no effect."""
    for component, pod in pods(render(name)).items():
        known = declared(KINDS[component]) | PASSWORDS | OF_THE_DRIVER
        assert environment(pod).keys() - known == set()


@pytest.mark.parametrize("name", EXAMPLES)
def test_secrets_come_by_reference(name: str) -> None:
    """No manifest is a Secret, and no secret setting has a value, except addresses without one."""
    manifests = render(name)
    assert of_kind(manifests, "Secret") == []
    for component, pod in pods(manifests).items():
        secret = {
            f"PURPOSEWATCH_{field.upper()}"
            for field, info in KINDS[component].model_fields.items()
            if SecretStr in getattr(info.annotation, "__args__", (info.annotation,))
        } | PASSWORDS
        for variable, value in environment(pod).items():
            if variable == "PURPOSEWATCH_DATABASE_URL":
                assert re.fullmatch(r"postgresql\+asyncpg://[^:@/]+@[^@]+", value)
            elif variable in secret:
                assert value.keys() == {"secretKeyRef"}
                assert value["secretKeyRef"]["name"]
            else:
                assert isinstance(value, str)


@pytest.mark.parametrize("name", EXAMPLES)
def test_services_accept_their_environment(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each builds its settings from the pod's environment, with files in the pod's mounts."""
    contents = _contents(tmp_path)
    for component, pod in pods(render(name)).items():
        with monkeypatch.context() as patch:
            for variable, value in _placed(pod, tmp_path / component, contents).items():
                patch.setenv(variable, value)
            KINDS[component]()


def _contents(directory: Path) -> dict[str, bytes]:
    """What is in the files that settings name, by the end of their paths."""
    authority = Authority(directory)
    pair, ca = authority.issue("client").read_bytes(), authority.cafile.read_bytes()
    keys = {service: Ed25519PrivateKey.generate() for service in ("ingest", "auditor")}
    trusted = [
        {"service": service, "public_key": b64encode(_public(key)).decode()}
        for service, key in keys.items()
    ]
    signing = {
        f"{service}/etc/purposewatch/signing-key/key.pem": key.private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
        for service, key in keys.items()
    }
    return {
        "tls.crt": pair,
        "tls.key": pair,
        "ca.crt": ca,
        "root.pem": ca,
        **signing,
        "policies.pub": b"",
        "token": b"a-token",
        "trusted_keys.yaml": yaml.safe_dump({"required": ["events"], "keys": trusted}).encode(),
    }


def _public(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _placed(pod: Manifest, directory: Path, contents: dict[str, bytes]) -> dict[str, str]:
    """The environment, with something for each secret, and files below the directory."""
    mounts = [each["mountPath"] for each in pod["spec"]["containers"][0]["volumeMounts"]]
    values = {}
    for variable, value in environment(pod).items():
        text = value if isinstance(value, str) else "0123456789abcdef" * 4
        if variable == "PURPOSEWATCH_SUBJECT_PSEUDONYMS_URL":
            text = "postgresql+asyncpg://u:p@host/db"
        if text.startswith(("/etc/purposewatch/", "/var/")):
            path = Path(text)
            assert any(
                path.is_relative_to(each) or Path(each).is_relative_to(path) for each in mounts
            )
            placed = directory / path.relative_to("/")
            placed.parent.mkdir(parents=True, exist_ok=True)
            for held in (text for end, text in contents.items() if str(placed).endswith(end)):
                placed.write_bytes(held)
            text = str(placed)
        values[variable] = text
    return values


@pytest.mark.parametrize("name", EXAMPLES)
def test_services_and_budgets_select_the_pods_of_one_component(name: str) -> None:
    """Each Service, budget and network policy has exactly one workload."""
    manifests = render(name)
    labels = [pod["metadata"]["labels"] for pod in pods(manifests).values()]
    selectors = [
        *(each["spec"]["selector"] for each in of_kind(manifests, "Service")),
        *(each["spec"]["selector"]["matchLabels"] for each in of_kind(manifests, "Deployment")),
        *(
            each["spec"]["selector"]["matchLabels"]
            for each in of_kind(manifests, "PodDisruptionBudget")
        ),
        *(
            each["spec"]["podSelector"]["matchLabels"]
            for each in of_kind(manifests, "NetworkPolicy")
        ),
    ]
    assert len(selectors) >= 6
    for selector in selectors:
        assert sum(selector.items() <= each.items() for each in labels) == 1


def test_large_numbers_are_written_in_full() -> None:
    """Helm reads a number of a values file as a float."""
    variables = environment(pods(render("everything"))["ingest"])
    assert variables["PURPOSEWATCH_INGEST_MAX_BODIES_BYTES"] == "134217728"
    assert variables["PURPOSEWATCH_INGEST_WAIT_TIMEOUT_SECONDS"] == "2.5"
    assert (
        environment(pods(render("everything"))["reporter"])["PURPOSEWATCH_REPORTER_TOTP_REQUIRED"]
        == "true"
    )


def test_each_auditor_has_a_volume_of_its_own() -> None:
    """It lives as long as the pod, and may be replaced by another one."""
    [facts] = _volumes("everything", "facts")
    claim = facts["ephemeral"]["volumeClaimTemplate"]["spec"]
    assert claim["resources"] == {"requests": {"storage": "10Gi"}}
    assert claim["storageClassName"] == "local"
    [facts] = _volumes("client-certificates", "facts")
    assert facts == {"name": "facts", "emptyDir": {"sizeLimit": "4Gi"}}


def test_the_database_is_verified_unless_the_values_say_otherwise() -> None:
    """By the stated authorities, or else by those of the image."""
    expected = {
        "minimal": ("verify-full", "/etc/ssl/certs/ca-certificates.crt"),
        "client-certificates": ("verify-full", "/etc/purposewatch/database-ca/root.pem"),
        "everything": ("verify-full", "/etc/purposewatch/database-ca/ca.crt"),
        "plaintext": ("prefer", None),
    }
    for name, verified in expected.items():
        for component in ("reporter", "migration"):
            held = environment(pods(render(name))[component])
            assert (held["PGSSLMODE"], held.get("PGSSLROOTCERT")) == verified


def test_keys_that_sign_belong_to_one_service_each() -> None:
    """The reporter has none, and all know whose signatures count."""
    found = pods(render("everything"))
    keys = {
        volume["secret"]["secretName"]: component
        for component in SERVICES
        for volume in found[component]["spec"]["volumes"]
        if volume["name"] == "signing-key"
    }
    assert keys == {"ingest-signing": "ingest", "auditor-signing": "auditor"}
    for component in SERVICES:
        assert "PURPOSEWATCH_KAFKA_TRUSTED_KEYS_FILE" in environment(found[component])


def _volumes(name: str, volume: str) -> list[Manifest]:
    spec = pods(render(name))["auditor"]["spec"]
    return [each for each in spec["volumes"] if each["name"] == volume]


def test_zones_and_machines_share_the_pods() -> None:
    """Whether a pod waits for room in another zone is the operator's choice."""
    for name, when in (("minimal", "ScheduleAnyway"), ("everything", "DoNotSchedule")):
        for service in SERVICES:
            spread = pods(render(name))[service]["spec"]["topologySpreadConstraints"]
            assert {each["topologyKey"]: each["whenUnsatisfiable"] for each in spread} == {
                "topology.kubernetes.io/zone": when,
                "kubernetes.io/hostname": "ScheduleAnyway",
            }


def test_no_reporter_runs_beside_a_later_one() -> None:
    """Its Deployment stops the old ones first, and the Job migrates before."""
    manifests = render("minimal")
    [reporter] = [
        each
        for each in of_kind(manifests, "Deployment")
        if each["metadata"]["name"] == "purposewatch-reporter"
    ]
    assert reporter["spec"]["strategy"] == {"type": "Recreate"}
    hooks = {
        each["kind"]: each["metadata"]["annotations"]
        for each in manifests
        if "annotations" in each["metadata"]
    }
    assert hooks.keys() == {"Job", "NetworkPolicy", "ServiceAccount"}
    for kind, annotations in hooks.items():
        assert annotations["helm.sh/hook"] == "pre-install,pre-upgrade"
        assert annotations["helm.sh/hook-weight"] == ("-1" if kind == "Job" else "-2")
    [container] = pods(manifests)["migration"]["spec"]["containers"]
    assert container["args"] == ["migrate", "--wait", "240"]


def test_a_database_that_the_release_makes_is_migrated_by_the_first_reporter() -> None:
    """It is not there before the installation."""
    [job] = of_kind(render("everything"), "Job")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-upgrade"


def test_migrations_may_have_a_user_of_their_own() -> None:
    """And the reporter another one, who may not alter tables."""
    found = pods(render("client-certificates"))
    migration, reporter = environment(found["migration"]), environment(found["reporter"])
    assert "//purposewatch_owner@" in migration["PURPOSEWATCH_DATABASE_URL"]
    assert migration["PGPASSWORD"]["secretKeyRef"]["name"] == "database-owner"
    assert "//purposewatch@" in reporter["PURPOSEWATCH_DATABASE_URL"]
    assert reporter["PGPASSWORD"]["secretKeyRef"]["name"] == "database"

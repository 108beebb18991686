"""The one command that makes the secrets of a first start."""

import contextlib
import re
import ssl
import stat
from hashlib import sha256
from pathlib import Path
from types import ModuleType

import pytest

from deploy.kafka.source.acls import load
from purposewatch_demo.flows import planned_traffic
from purposewatch_demo.live.run import read_keys
from purposewatch_ingest.pseudonyms.key_file import MIN_KEY_BYTES, decode_key
from purposewatch_ingest.register_file import load_register
from purposewatch_runtime.signing import SIGNED_TOPICS, SIGNERS, load_signer, load_trusted_keys
from tests.harness.compose_kafka import read_env_file, secrets_script

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return secrets_script()


def _contents(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


def test_makes_everything_that_a_first_start_needs(script: ModuleType, tmp_path: Path) -> None:
    """Keys are long enough, and the register admits the publisher's key."""
    script.generate(tmp_path, ROOT / "policies")

    settings = (tmp_path / "secrets/ingest.env").read_text()
    found = re.search(r"^PURPOSEWATCH_PSEUDONYM_KEY=(\S+)$", settings, re.MULTILINE)
    assert found is not None
    assert len(decode_key(found[1])) >= MIN_KEY_BYTES
    register = load_register(tmp_path / "publishers/publishers.yaml")
    holder = register.holder_of((tmp_path / "secrets/crm.key").read_text().strip())
    assert holder is not None
    assert (holder.name, holder.controllers) == (
        "crm",
        frozenset({"wework-labs", "linggan-house"}),
    )


def test_only_the_owner_reads_secrets_and_everyone_the_register(
    script: ModuleType, tmp_path: Path
) -> None:
    """The container of ingest runs as another user, and the register holds digests only."""
    script.generate(tmp_path, ROOT / "policies")

    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in tmp_path.rglob("*") if p.is_file()}
    assert modes.pop("publishers.yaml") == 0o644
    assert modes.pop("ca.pem") == 0o644
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700


def test_a_second_run_changes_nothing(script: ModuleType, tmp_path: Path) -> None:
    """It can stand before every start."""
    script.generate(tmp_path, ROOT / "policies")
    before = _contents(tmp_path)

    made = script.generate(tmp_path, ROOT / "policies")

    assert not any(made.values())
    assert _contents(tmp_path) == before


def test_only_a_missing_file_is_made_again(script: ModuleType, tmp_path: Path) -> None:
    """That is how one secret is replaced."""
    script.generate(tmp_path, ROOT / "policies")
    before = _contents(tmp_path)
    (tmp_path / "secrets/database.env").unlink()

    script.generate(tmp_path, ROOT / "policies")

    after = _contents(tmp_path)
    assert before.keys() == after.keys()
    assert [name for name in after if after[name] != before[name]] == ["secrets/database.env"]


def test_the_brokers_certificate_is_verified_with_its_authority(
    script: ModuleType, tmp_path: Path
) -> None:
    """Under the name that the services use, strictly, and for as long as the authority."""
    script.generate(tmp_path, ROOT / "policies")
    server, client = connection(tmp_path, tmp_path / "trust/ca.pem")
    handshake(server, client)
    authority = (tmp_path / "trust/ca.pem").read_text()
    (tmp_path / "secrets/kafka.env").unlink()

    script.generate(tmp_path, ROOT / "policies")

    assert (tmp_path / "trust/ca.pem").read_text().startswith(authority)
    handshake(*connection(tmp_path, tmp_path / "trust/ca.pem"))
    (tmp_path / "old.pem").write_text(authority)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(*connection(tmp_path, tmp_path / "old.pem"))


def connection(deploy: Path, cafile: Path) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """A broker with the generated certificate and a client that trusts these authorities."""
    found = read_env_file(deploy / "secrets/kafka.env").values()
    pem = deploy / "broker.pem"
    pem.write_text("\n".join(each.replace(r"\n", "\n") for each in found))
    serves = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serves.load_cert_chain(pem)
    trusts = ssl.create_default_context(cafile=cafile)
    trusts.verify_flags |= ssl.VERIFY_X509_STRICT
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    return (
        serves.wrap_bio(there, back, server_side=True),
        trusts.wrap_bio(back, there, server_hostname="kafka"),
    )


def handshake(server: ssl.SSLObject, client: ssl.SSLObject) -> None:
    """Connect in memory. Raises `ssl.SSLError`."""
    for _ in range(3):
        for side in (client, server):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
    assert client.version() == server.version() == "TLSv1.3"


def test_without_openssl_it_says_so(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And makes no half of it; the next run does."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(script.MissingProgramError, match="install it"):
        script.generate(tmp_path, ROOT / "policies")
    assert not (tmp_path / "secrets/kafka.env").exists()


def test_signing_keys_are_trusted_for_what_each_service_writes(
    script: ModuleType, tmp_path: Path
) -> None:
    """Nothing is required until the operator says so, and a second run changes nothing."""
    script.generate(tmp_path, ROOT / "policies")
    script.signing_keys(tmp_path)
    once = _contents(tmp_path)
    assert not any(script.signing_keys(tmp_path).values())
    assert _contents(tmp_path) == once
    trusted = load_trusted_keys(tmp_path / "trust/trusted_keys.yaml", "data-access")
    assert trusted.required == frozenset()
    for name in SIGNERS:
        signer = load_signer(tmp_path / f"secrets/signing/{name}/key.pem")
        assert trusted.keys[signer.key_id].service == name
    assert len(trusted.keys) == len(SIGNERS) == len(script.SIGNERS)
    text = (tmp_path / "trust/trusted_keys.yaml").read_text()
    (tmp_path / "required.yaml").write_text(text.replace("# required", "required"))
    strict = load_trusted_keys(tmp_path / "required.yaml", "data-access")
    assert strict.required == {f"data-access.{each}" for each in SIGNED_TOPICS}


def test_the_users_of_kafka_are_those_with_rights(script: ModuleType) -> None:
    """Each has a password from the start."""
    acls = load()
    publishers = [f"publisher-{each}" for each in acls.publishers]
    assert list(script.KAFKA_USERS) == [*acls.services, *publishers]


def test_a_lost_register_is_made_for_the_key_that_is_there(
    script: ModuleType, tmp_path: Path
) -> None:
    """Otherwise the publisher would hold a key that nobody knows."""
    script.generate(tmp_path, ROOT / "policies")
    (tmp_path / "publishers/publishers.yaml").unlink()

    script.generate(tmp_path, ROOT / "policies")

    key = (tmp_path / "secrets/crm.key").read_text().strip()
    digest = sha256(key.encode()).hexdigest()
    assert digest in (tmp_path / "publishers/publishers.yaml").read_text()


def test_the_generators_publishers_are_appended_to_the_register_once(
    script: ModuleType, tmp_path: Path
) -> None:
    """What stands in the register stays, and a second run changes nothing."""
    script.generate(tmp_path, ROOT / "policies")
    register = tmp_path / "publishers/publishers.yaml"
    before = register.read_text()

    script.played_publishers(tmp_path)
    once = _contents(tmp_path)
    script.played_publishers(tmp_path)

    assert once == _contents(tmp_path)
    assert register.read_text().startswith(before)
    line = (tmp_path / "secrets/traffic.env").read_text().strip()
    plan = planned_traffic()
    keys = read_keys(line.partition("=")[2], plan.controllers_by_publisher)
    loaded = load_register(register)
    for name, controllers in plan.controllers_by_publisher.items():
        holder = loaded.holder_of(keys[name])
        assert holder is not None
        assert (name, controllers) == (holder.name, holder.controllers)
        assert plan.facts_by_system.get(name, frozenset()) == holder.states_facts

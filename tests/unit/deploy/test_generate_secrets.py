"""The one command that makes the secrets of a first start."""

import importlib.util
import re
import stat
from hashlib import sha256
from pathlib import Path
from types import ModuleType

import pytest

from purposewatch_demo.flows import planned_traffic
from purposewatch_demo.live.run import read_keys
from purposewatch_ingest.pseudonyms.key_file import MIN_KEY_BYTES, decode_key
from purposewatch_ingest.register_file import load_register

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "deploy/generate_secrets.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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

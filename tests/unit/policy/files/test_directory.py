"""Loading a directory of policies: sound ones compile, every fault is shown where it is."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from purposewatch_policy.files import load_policies, read_version
from purposewatch_policy.flow import MAX_RETENTION_DAYS
from purposewatch_policy.model import AcceptedFinding, Effect
from purposewatch_policy.yaml_reader.source import InvalidSourceError

HERE = Path(__file__).parents[1]
SOUND = HERE / "sound"
FAULTS = sorted(path for path in (HERE / "broken").iterdir() if path.is_dir())


@pytest.mark.parametrize("fault", FAULTS, ids=lambda path: path.name)
def test_fault_is_reported_where_it_is(fault: Path, tmp_path: Path) -> None:
    """A sound tree with one faulty file is refused with exactly the expected lines."""
    shutil.copytree(SOUND, tmp_path, dirs_exist_ok=True)
    shutil.copytree(
        fault, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("expected.txt")
    )
    expected = (fault / "expected.txt").read_text(encoding="utf-8")
    with pytest.raises(InvalidSourceError) as refused:
        load_policies(tmp_path)
    assert expected.splitlines() == str(refused.value).replace(f"{tmp_path}/", "").splitlines()


def test_sound_policy_is_read_completely() -> None:
    """What the file says is what the policy holds, with defaults and defined terms filled in."""
    (compiled,) = load_policies(SOUND).versions("acme")
    policy = compiled.policy
    contact, health = policy.statements
    assert (policy.controller, policy.version) == ("acme", "1")
    assert datetime(2019, 12, 31, 16, tzinfo=UTC) == policy.in_force_from
    assert datetime(2021, 12, 31, 16, tzinfo=UTC) == policy.in_force_until
    assert policy.document == {"language": "en", "title": "Privacy policy"}
    assert policy.sections == {"members": {"en": "Members"}}
    assert (
        contact.data_categories,
        contact.defined_terms,
    ) == (("user.contact",), ("contact_information",))
    assert contact.recipients == ("first_party",)
    assert (health.effect, health.purposes, health.recipients) == (Effect.PROHIBIT, None, None)


def test_nested_defined_terms_are_expanded(tmp_path: Path) -> None:
    """A statement by a defined term names the categories of the terms inside it, each once."""
    shutil.copytree(SOUND, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "acme" / "policy.1.yaml"
    text = path.read_text(encoding="utf-8")
    nested = "  details:\n    data_categories: [user.health, user.contact]\nstatements:"
    text = text.replace("data_categories: [user.contact]\n", "defined_terms: [details]\n")
    path.write_text(text.replace("statements:", nested, 1), encoding="utf-8")
    policies = load_policies(tmp_path)
    statement = policies.versions("acme")[0].statement("members.contact")
    assert statement.data_categories == ("user.health", "user.contact")


def test_defined_terms_name_terms_of_any_dimension(tmp_path: Path) -> None:
    """They come after the terms that the statement names itself, and take the place of a field."""
    shutil.copytree(SOUND, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "acme" / "policy.1.yaml"
    groups = """
  all_roles: {roles: [member]}
  everything: {operations: [collect, use]}
  aims: {purposes: [service, marketing]}
  advertisers: {recipients: [third_party.advertising]}
  givers: {sources: [employer]}
  places: {locations: [eu]}
  bases: {legal_bases: [consent]}
statements:
  - id: members.grouped
    clause: members.1
    effect: permit
    defined_terms:
      [contact_information, all_roles, everything, aims, advertisers, givers, places, bases]
    recipients: [first_party]
"""
    text = path.read_text(encoding="utf-8").replace("\nstatements:\n", groups, 1)
    path.write_text(text, encoding="utf-8")
    statement = load_policies(tmp_path).versions("acme")[0].statement("members.grouped")
    assert (statement.roles, statement.operations) == (("member",), ("collect", "use"))
    assert (statement.data_categories, statement.purposes) == (
        ("user.contact",),
        ("service", "marketing"),
    )
    assert statement.recipients == ("first_party", "third_party.advertising")
    assert (statement.sources, statement.locations, statement.legal_bases) == (
        ("employer",),
        ("eu",),
        ("consent",),
    )


def test_accepted_findings_are_read_each_once(tmp_path: Path) -> None:
    """They are part of the statement that they are about; naming a rule twice is a fault."""
    shutil.copytree(SOUND, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "acme" / "policy.1.yaml"
    accepted = "    accepted_findings:\n      - {rule: contradiction, reason: As written.}\n"
    path.write_text(path.read_text(encoding="utf-8") + accepted, encoding="utf-8")
    statement = load_policies(tmp_path).versions("acme")[0].statement("members.health")
    assert statement.accepted_findings == (AcceptedFinding("contradiction", "As written."),)

    again = "      - {rule: contradiction, reason: Again.}\n"
    path.write_text(path.read_text(encoding="utf-8") + again, encoding="utf-8")
    with pytest.raises(InvalidSourceError, match="`contradiction` is accepted twice; keep one"):
        load_policies(tmp_path)


def test_missing_directory_is_refused(tmp_path: Path) -> None:
    """A directory that does not exist is an error that names it."""
    with pytest.raises(InvalidSourceError, match="is not a directory"):
        load_policies(tmp_path / "nowhere")


def test_empty_directory_is_refused(tmp_path: Path) -> None:
    """A directory without any policy is an error: no flow could be judged by it."""
    with pytest.raises(InvalidSourceError, match="contains no policy"):
        load_policies(tmp_path)


def test_longest_retention_is_what_an_event_may_state() -> None:
    """A policy may state any retention that an event may state, and no longer."""
    assert MAX_RETENTION_DAYS == 36_525


def test_version_can_be_a_directory_of_files(tmp_path: Path) -> None:
    """Its files are read as one, the head first: nothing depends on how they are divided."""
    shutil.copytree(SOUND, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "acme" / "policy.1.yaml"
    head, *statements = path.read_text(encoding="utf-8").split("  - id: ")
    path.unlink()
    divided = tmp_path / "acme" / "policy.1"
    divided.mkdir()
    (divided / "policy.yaml").write_text(f"{head}  - id: {statements[0]}", encoding="utf-8")
    for number, each in enumerate(statements[1:]):
        text = f"statements:\n  - id: {each}"
        (divided / f"{number:03}.yaml").write_text(text, encoding="utf-8")
    (compiled,) = load_policies(tmp_path).versions("acme")
    (as_one_file,) = load_policies(SOUND).versions("acme")
    assert (compiled.policy, compiled.digest) == (as_one_file.policy, as_one_file.digest)
    assert read_version(str(divided), tmp_path, None).digest == as_one_file.digest
    assert read_version(str(tmp_path / "acme"), tmp_path, None).digest == as_one_file.digest

"""What is in shadow mode decides nothing, and is tried as it will be once it is live."""

import shutil
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from purposewatch_policy.cases import load_cases
from purposewatch_policy.compile import CompiledPolicy
from purposewatch_policy.decide import decide, decide_under
from purposewatch_policy.files import UnusableVersionError, load_policies, read_version
from purposewatch_policy.model import Mode, Policy
from purposewatch_policy.policy_set import PolicySet
from purposewatch_policy.shadow import with_shadow_statements
from tests.unit.policy.library import VOCABULARY, policy
from tests.unit.policy.random_worlds import draw_ledger, draw_world

SOUND = Path(__file__).parent / "sound"
FLOWS_PER_WORLD = 8


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    shutil.copytree(SOUND, tmp_path, dirs_exist_ok=True)
    return tmp_path


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")


def second_version(tree: Path, *lines: str) -> Path:
    """Add a version that no longer prohibits, and begins while the first is in force."""
    path = tree / "acme" / "policy.2.yaml"
    text = (tree / "acme" / "policy.1.yaml").read_text(encoding="utf-8")
    text = text.partition("  - id: members.health")[0]
    head = "\n".join(("in_force_from: 2021-06-01T00:00:00+08:00", *lines, "title:"))
    text = text.replace('version: "1"', 'version: "2"')
    text = text.replace("in_force_from: 2020-01-01T00:00:00+08:00\n", "")
    text = text.replace("in_force_until: 2022-01-01T00:00:00+08:00\n", "")
    path.write_text(text.replace("title:", head, 1), encoding="utf-8")
    return path


def digests(tree: Path) -> dict[str, str]:
    return {each.policy.version: each.digest for each in load_policies(tree).versions("acme")}


def test_a_version_in_shadow_mode_is_never_in_force(tree: Path) -> None:
    """It may overlap live versions, and changes nothing about them."""
    before = digests(tree)
    second_version(tree, "mode: shadow")
    policies = load_policies(tree)
    assert digests(tree) == before
    [candidate] = policies.shadows("acme")
    in_force = policies.in_force("acme", candidate.compiled.begins)
    assert in_force is not None
    assert in_force.policy.version == "1"
    assert (candidate.name, candidate.beside, candidate.statements) == ("2", None, ())


def test_a_version_goes_live_by_one_edit(tree: Path) -> None:
    """Without `mode: shadow` it ends the version that it replaces; its digest was known before."""
    edit(tree / "acme" / "policy.1.yaml", "in_force_until: 2022-01-01T00:00:00+08:00\n", "")
    path = second_version(tree, "mode: shadow", "replaces: 1")
    [candidate] = load_policies(tree).shadows("acme")
    assert candidate.beside == "1"
    edit(path, "mode: shadow\n", "")
    policies = load_policies(tree)
    first, second = policies.versions("acme")
    assert (first.until, policies.shadows("acme")) == (second.begins, ())
    assert second.digest == candidate.compiled.digest


def test_a_statement_in_shadow_mode_is_not_part_of_what_is_declared(tree: Path) -> None:
    """Adding it leaves the digest as it is, and it goes live with the digest of its candidate."""
    path = tree / "acme" / "policy.1.yaml"
    before = digests(tree)["1"]
    marked = "effect: prohibit\n    shadow: true"
    copy = path.read_text(encoding="utf-8").partition("  - id: members.health")[2]
    added = f"  - id: members.first{copy}".replace("effect: prohibit", marked)
    edit(path, "statements:\n", f"statements:\n{added}")
    assert digests(tree)["1"] == before
    policies = load_policies(tree)
    [candidate] = policies.shadows("acme")
    assert (candidate.name, candidate.beside) == ("1+shadow", "1")
    assert candidate.statements == ("members.first",)
    ids = [each.id for each in candidate.compiled.statements]
    assert ids == ["members.first", "members.contact", "members.health"]
    edit(path, "    shadow: true\n", "")
    assert digests(tree)["1"] == candidate.compiled.digest
    assert load_policies(tree).shadows("acme") == ()


def test_what_is_in_shadow_mode_can_be_named(tree: Path) -> None:
    """A version by its name, and with `+shadow` a version with its statements in shadow mode."""
    second_version(tree, "mode: shadow")
    path = tree / "acme" / "policy.1.yaml"
    edit(path, "effect: prohibit", "effect: prohibit\n    shadow: true")
    home = str(tree / "acme")

    def statements(named: str) -> list[str]:
        return [each.id for each in read_version(named, tree, None).statements]

    assert statements(home) == statements(f"{home}@1") == ["members.contact"]
    assert statements(f"{home}@2") == ["members.contact"]
    both = ["members.contact", "members.health"]
    assert statements(f"{home}+shadow") == statements(f"{home}@1+shadow") == both
    assert (statements(str(path)), statements(f"{path}+shadow")) == (["members.contact"], both)
    edit(path, "    shadow: true\n", "")
    for named in (f"{home}+shadow", f"{path}+shadow"):
        with pytest.raises(UnusableVersionError, match=r"no statement of .* is in shadow mode"):
            read_version(named, tree, None)
    with pytest.raises(UnusableVersionError, match="name one of `1`, `2`"):
        read_version(f"{home}@3+shadow", tree, None)


def test_a_case_can_name_what_decides(tree: Path) -> None:
    """A case about what is in shadow mode stays valid when that goes live."""
    path = tree / "acme" / "policy.1.yaml"
    edit(path, "effect: prohibit", "effect: prohibit\n    shadow: true")
    cases = tree / "acme" / "cases.yaml"
    edit(cases, "a diagnosis is collected\n", 'a diagnosis is collected\n    version: "1+shadow"\n')
    case = load_cases(cases).cases[1]
    assert case.decide(load_policies(tree)).kind == "prohibited"
    assert replace(case, version=None).decide(load_policies(tree)).kind == "undeclared_category"
    edit(path, "    shadow: true\n", "")
    assert case.decide(load_policies(tree)).kind == "prohibited"


def marked(rng: Random, full: Policy) -> Policy:
    """Return a policy with some of its statements in shadow mode."""
    tried = {index: each for index, each in enumerate(full.statements) if rng.random() < 0.4}
    live = tuple(each for index, each in enumerate(full.statements) if index not in tried)
    return replace(full, statements=live, shadow_statements=tried)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(min_value=0))
def test_live_decisions_ignore_it_and_candidates_do_not(seed: int) -> None:
    """Events are decided as if it were not there, and candidates as if it were live."""
    rng = Random(seed)  # noqa: S311  # has to be reproducible, not secret
    world = draw_world(rng)
    policies = [marked(rng, each) for each in world.policies]
    assert [with_shadow_statements(each) for each in policies] == world.policies
    words = {"acme": world.vocabulary}
    tried = PolicySet(words, policies)
    without = PolicySet(words, [replace(each, shadow_statements={}) for each in policies])
    full = PolicySet(words, world.policies)
    for _ in range(FLOWS_PER_WORLD):
        flow, at = world.flow(rng)
        ledger = draw_ledger(rng, world)
        assert decide(flow, at, tried, ledger) == decide(flow, at, without, ledger)
        for candidate in tried.shadows("acme"):
            live = full.version("acme", str(candidate.beside))
            assert candidate.compiled.digest == live.digest
            assert decide_under(flow, candidate.compiled, ledger) == decide_under(
                flow, live, ledger
            )


def test_candidates_are_compiled_once_and_only_when_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who only decides events does not pay for what is tried."""
    compiled: list[str] = []

    def compile_policy(each: Policy, vocabulary: object) -> object:
        compiled.append(each.version)
        assert vocabulary is VOCABULARY
        return CompiledPolicy(each, VOCABULARY)

    monkeypatch.setattr("purposewatch_policy.shadow.CompiledPolicy", compile_policy)
    policies = PolicySet({"library": VOCABULARY}, [policy(), policy(mode=Mode.SHADOW, version="n")])
    assert compiled == []
    assert policies.shadows("library") is policies.shadows("library")
    assert compiled == ["n"]
    with pytest.raises(KeyError):
        policies.shadows("museum")

"""Lengths of retention: at least and at most on permits, longer than on prohibitions."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from purposewatch_policy.change import Action, change_flow
from purposewatch_policy.compile import CompiledPolicy
from purposewatch_policy.decide import decide_under
from purposewatch_policy.decision import Dimension, Kind, Outcome
from purposewatch_policy.explanation import explain
from purposewatch_policy.files import load_policies
from purposewatch_policy.flow import Flow
from purposewatch_policy.flow_space import FlowSpace
from purposewatch_policy.lint.contradictions import find_contradictions
from purposewatch_policy.model import Effect, Statement
from purposewatch_policy.policy_set import PolicySet
from purposewatch_policy.remedy import Remedies, find_remedies
from tests.unit.policy.library import NOW, POLICY, VOCABULARY, flow, policy
from tests.unit.policy.lint.subjects import subject_of

SOUND = Path(__file__).parent / "sound"
KEPT = Statement(
    id="kept",
    clause="readers.1",
    effect=Effect.PERMIT,
    data_categories=("user.loans",),
    operations=("store",),
    purposes=("service",),
    recipients=("first_party",),
    retention_days=3650,
    retention_at_least=180,
)
ANY_TIME = replace(KEPT, retention_days=None, retention_at_least=None)
NOT_LONGER = Statement(
    id="not.longer",
    clause="limits.1",
    effect=Effect.PROHIBIT,
    data_categories=("user",),
    operations=("store",),
    retention_at_least=366,
)


def stored(days: int | None) -> Flow:
    changes = {"operation": "store", "data_categories": ("user.loans",), "retention_days": days}
    return flow(**changes)


def kind_of(days: int | None, *statements: Statement) -> Kind | Outcome:
    compiled = CompiledPolicy(policy(*statements), VOCABULARY)
    decision = decide_under(stored(days), compiled)
    return decision.kind or decision.outcome


def remedies_of(days: int | None, *statements: Statement) -> Remedies:
    compiled = CompiledPolicy(policy(*statements), VOCABULARY)
    (decided,) = decide_under(stored(days), compiled).categories
    remedies = find_remedies(stored(days), decided, compiled)
    assert remedies is not None
    return remedies


def explained(language: str, days: int | None, *statements: Statement) -> tuple[str, str | None]:
    """Return the sentence, and in words what the statement expects of the retention."""
    policies = PolicySet({"library": VOCABULARY}, [policy(*statements)])
    (category,) = explain(stored(days), NOW, policies, language).categories
    (comparison,) = (each for each in category.comparisons if each.dimension == "retention")
    expected = comparison.expected
    return category.sentence, expected[0].label if expected else None


@pytest.mark.parametrize(
    ("days", "outcome"),
    [
        (179, Kind.EXCESSIVE_RETENTION),
        (180, Outcome.PERMITTED),
        (3650, Outcome.PERMITTED),
        (3651, Kind.EXCESSIVE_RETENTION),
        (None, Kind.EXCESSIVE_RETENTION),
    ],
)
def test_permit_covers_what_lies_between_both_ends(
    days: int | None, outcome: Kind | Outcome
) -> None:
    """Both ends belong to it; what is not stated cannot be shown to lie between them."""
    assert kind_of(days, KEPT) is outcome


@pytest.mark.parametrize(
    ("days", "outcome"),
    [
        (365, Outcome.PERMITTED),
        (366, Kind.PROHIBITED),
        (None, Kind.PROHIBITED_IN_PART),
    ],
)
def test_prohibition_covers_longer_times(days: int | None, outcome: Kind | Outcome) -> None:
    """What an event does not state stands for every length."""
    assert kind_of(days, ANY_TIME, NOT_LONGER) is outcome


@pytest.mark.parametrize(
    ("language", "days", "statements", "said", "expected"),
    [
        ("en", 30, [KEPT], "it allows 180 to 3650 days (the event states 30)", "180 to 3650 days"),
        ("zh", 30, [KEPT], "其保留期限在 180 天至 3650 天之间", "在 180 天至 3650 天之间"),
        (
            "en",
            30,
            [replace(KEPT, retention_days=None)],
            "it allows at least 180 days",
            "at least 180 days",
        ),
        (
            "zh",
            30,
            [replace(KEPT, retention_days=None)],
            "其保留期限不少于 180 天",
            "不少于 180 天",
        ),
        (
            "en",
            None,
            [ANY_TIME, NOT_LONGER],
            "a part of it, more than 365 days as retention",
            "more than 365 days",
        ),
        ("zh", None, [ANY_TIME, NOT_LONGER], "超过 365 天", "超过 365 天"),
    ],
)
def test_explanation_says_which_lengths_a_statement_covers(
    language: str, days: int | None, statements: list[Statement], said: str, expected: str
) -> None:
    """In the sentence, and in the table of dimensions."""
    sentence, words = explained(language, days, *statements)
    assert said in sentence
    assert words == expected


@pytest.mark.parametrize(
    ("days", "statements", "value", "span"),
    [
        (30, [KEPT], 180, (180, 3650)),
        (4000, [KEPT], 3650, (180, 3650)),
        (None, [KEPT], 3650, (180, 3650)),
        (None, [replace(KEPT, retention_days=None)], 180, (180, None)),
        (400, [ANY_TIME, NOT_LONGER], 365, (0, 365)),
        (None, [ANY_TIME, NOT_LONGER], 365, (0, 365)),
        (30, [KEPT, NOT_LONGER], 180, (180, 365)),
    ],
)
def test_event_is_advised_the_nearest_length_that_would_do(
    days: int | None, statements: list[Statement], value: int, span: tuple[int, int | None]
) -> None:
    """Within what the permit covers and no prohibition does."""
    event = remedies_of(days, *statements).event
    assert event is not None
    (change,) = event.changes
    assert (change.dimension, change.value, change.before) == (Dimension.RETENTION, value, days)
    assert change.span == span
    changed = change_flow(stored(days), "user.loans", [change])
    compiled = CompiledPolicy(policy(*statements), VOCABULARY)
    assert decide_under(changed, compiled).outcome is Outcome.PERMITTED


def test_policy_is_advised_to_permit_shorter_times() -> None:
    """Where the event keeps data for less than the least."""
    remedy = remedies_of(30, KEPT).policy
    assert remedy is not None
    assert [(each.action, each.days) for each in remedy.changes] == [(Action.LOWER, 30)]


def test_contradiction_names_the_lengths() -> None:
    """Lint says for how long one statement permits what another one prohibits."""
    compiled = CompiledPolicy(policy(KEPT, NOT_LONGER), VOCABULARY)
    (finding,) = find_contradictions(subject_of(compiled), FlowSpace(compiled))
    assert "retention 366 to 3650 days" in str(finding.details)
    assert finding.evidence["flows"]["retention_days"] == ("366..3650",)  # type: ignore[index]  # a mapping


# --- In files -------------------------------------------------------------------------------------


def read(tmp_path: Path, retention: str, statement: str) -> CompiledPolicy:
    shutil.copytree(SOUND, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "acme" / "policy.1.yaml"
    text = path.read_text(encoding="utf-8")
    line = f"  - id: {statement}\n"
    assert line in text
    changed = text.replace(line, f"{line}    retention_days: {retention}\n")
    path.write_text(changed, encoding="utf-8")
    (compiled,) = load_policies(tmp_path).versions("acme")
    return compiled


@pytest.mark.parametrize(
    ("statement", "written", "at_least", "at_most"),
    [
        ("members.contact", "365", None, 365),
        ("members.contact", "{at_most: 365}", None, 365),
        ("members.contact", "{at_least: 180}", 180, None),
        ("members.contact", "{at_least: 180, at_most: 3650}", 180, 3650),
        ("members.contact", "{at_least: 30, at_most: 30}", 30, 30),
        ("members.health", "{more_than: 365}", 366, None),
        ("members.health", "{at_most: 30}", None, 30),
        ("members.health", "{more_than: 30, at_most: 365}", 31, 365),
    ],
)
def test_lengths_are_read(
    tmp_path: Path, statement: str, written: str, at_least: int | None, at_most: int | None
) -> None:
    """A number is the most that a permit covers; a prohibition says more than, or at most."""
    found = read(tmp_path, written, statement).statement(statement)
    assert (found.retention_at_least, found.retention_days) == (at_least, at_most)


def test_digest_depends_on_the_lengths_alone(tmp_path: Path) -> None:
    """A number and `at_most` are the same; a least length is another policy."""
    digests = [
        read(tmp_path / str(number), written, "members.contact").digest
        for number, written in enumerate(["365", "{at_most: 365}", "{at_least: 1, at_most: 365}"])
    ]
    assert digests[0] == digests[1] != digests[2]


def test_policies_without_a_least_length_keep_their_digest() -> None:
    """Verdicts name it, so it stays what it was before there were least lengths."""
    digest = CompiledPolicy(POLICY, VOCABULARY).digest
    assert digest == "f049505899d751672f8fe3f5073e0850f41fc8b018470fbebe6863966ee816fb"

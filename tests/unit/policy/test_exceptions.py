"""All of this except that: what statements leave out of what they name."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from purposewatch_policy.change import Action, change_policy
from purposewatch_policy.compile import CompiledPolicy
from purposewatch_policy.decide import decide, decide_under
from purposewatch_policy.decision import Dimension, Kind, Outcome
from purposewatch_policy.diff import compare_versions
from purposewatch_policy.explanation import explain
from purposewatch_policy.files import load_policies
from purposewatch_policy.flow_space import FlowSpace
from purposewatch_policy.lint.contradictions import find_contradictions
from purposewatch_policy.lint.risks import find_risks
from purposewatch_policy.model import Effect, Statement
from purposewatch_policy.policy_set import PolicySet
from purposewatch_policy.remedy import find_remedies
from purposewatch_policy.sentence import sentence
from purposewatch_policy.term_usage import UsedTerms
from purposewatch_policy.vocabulary import Taxonomy
from tests.unit.policy.library import NOW, VOCABULARY, flow, policy
from tests.unit.policy.lint.subjects import subject_of

SOUND = Path(__file__).parent / "sound"
PERMIT = Statement(
    id="all.but",
    clause="all.1",
    effect=Effect.PERMIT,
    data_categories=("user",),
    operations=("use",),
    purposes=("service",),
    recipients=("first_party",),
    exceptions={Dimension.DATA_CATEGORY: ("user.contact.email",)},
)
ANYTHING = replace(PERMIT, id="anything", exceptions={})
PROHIBITION = Statement(
    id="none.but",
    clause="none.1",
    effect=Effect.PROHIBIT,
    data_categories=("user.contact",),
    operations=("use",),
    exceptions={Dimension.DATA_CATEGORY: ("user.contact.email",)},
)


def decided(category: str, *statements: Statement, **changes: object) -> Kind | Outcome:
    compiled = CompiledPolicy(policy(*statements), VOCABULARY)
    decision = decide_under(flow(data_categories=(category,), **changes), compiled)
    return decision.kind or decision.outcome


@pytest.mark.parametrize(
    ("category", "outcome"),
    [
        ("user.health", Outcome.PERMITTED),
        ("user.contact.email", Kind.UNDECLARED_CATEGORY),
        ("user.contact", Kind.UNDECLARED_CATEGORY),  # it may be the e-mail address
        ("user", Kind.UNDECLARED_CATEGORY),
    ],
)
def test_permit_covers_neither_what_it_excepts_nor_what_includes_that(
    category: str, outcome: Kind | Outcome
) -> None:
    """A general term would include what is excepted."""
    assert decided(category, PERMIT) is outcome


@pytest.mark.parametrize(
    ("category", "outcome"),
    [
        ("user.contact.email", Outcome.PERMITTED),
        ("user.contact", Kind.PROHIBITED),
        ("user", Kind.PROHIBITED_IN_PART),
        ("user.health", Outcome.PERMITTED),
    ],
)
def test_prohibition_covers_all_but_what_it_excepts(category: str, outcome: Kind | Outcome) -> None:
    """A term above the excepted one is prohibited: most of it is."""
    assert decided(category, ANYTHING, PROHIBITION) is outcome


@pytest.mark.parametrize(
    ("language", "said"),
    [
        (
            "en",
            "prohibits it, except `user.contact.email` as data category, although `anything`",
        ),
        ("zh", "数据类别为`user.contact.email`的除外"),
    ],
)
def test_prohibition_of_a_general_term_names_what_it_excepts(language: str, said: str) -> None:
    """A more precise event may be about the exception; one that can't be is not told of it."""
    declared = policy(PROHIBITION, ANYTHING)
    policies = PolicySet({declared.controller: VOCABULARY}, [declared])
    general = flow(data_categories=("user.contact",))
    for each, expected in ((general, True), (flow(data_categories=("user.loans",)), False)):
        [category] = decide(each, NOW, policies).categories
        assert (said in sentence(language, category, each, NOW, policies)) is expected
    [category] = decide(general, NOW, policies).categories
    assert category.sentence == sentence("en", category, general, NOW, policies)


def test_exception_of_a_dimension_without_restriction() -> None:
    """Every source except one: an event that states none may be from that one."""
    permit = replace(PERMIT, exceptions={Dimension.SOURCE: ("school",)})
    assert decided("user.health", permit, source="data_subject") is Outcome.PERMITTED
    assert decided("user.health", permit, source="school") is Kind.UNDECLARED_SOURCE
    assert decided("user.health", permit, source=None) is Kind.UNDECLARED_SOURCE
    prohibition = replace(PROHIBITION, exceptions={Dimension.SOURCE: ("school",)})
    assert decided("user.contact", ANYTHING, prohibition, source="school") is Outcome.PERMITTED
    assert decided("user.contact", ANYTHING, prohibition, source=None) is Kind.PROHIBITED


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "names `user` except `user.contact.email` as data category"),
        ("zh", "限于`user`，但`user.contact.email`除外"),  # noqa: RUF001 - Chinese
    ],
)
def test_explanation_says_what_is_excepted(language: str, said: str) -> None:
    """In the sentence, and among what the statement names."""
    policies = PolicySet({"library": VOCABULARY}, [policy(PERMIT)])
    (category,) = explain(
        flow(data_categories=("user.contact.email",)), NOW, policies, language
    ).categories
    assert said in category.sentence
    (compared,) = (each for each in category.comparisons if each.dimension == "data_category")
    assert [(each.term, each.excepted) for each in compared.expected or ()] == [
        ("user", False),
        ("user.contact.email", True),
    ]


def test_remedies_say_that_an_exception_has_to_go() -> None:
    """The policy is not advised to name what it names already; the event can be more precise."""
    compiled = CompiledPolicy(policy(PERMIT), VOCABULARY)
    asked = flow(data_categories=("user.contact.email",))
    (category,) = decide_under(asked, compiled).categories
    remedies = find_remedies(asked, category, compiled)
    assert remedies is not None
    assert remedies.event is None
    assert remedies.policy is not None
    (change,) = remedies.policy.changes
    assert (change.action, change.terms) == (Action.INCLUDE, ("user.contact.email",))
    wider = CompiledPolicy(change_policy(compiled.policy, [change]), VOCABULARY)
    assert decide_under(asked, wider).outcome is Outcome.PERMITTED


def test_an_ordinary_exception_is_no_contradiction() -> None:
    """What a permit leaves out can be prohibited."""
    forbidden = replace(PROHIBITION, data_categories=("user.contact.email",), exceptions={})
    compiled = CompiledPolicy(policy(PERMIT, forbidden), VOCABULARY)
    assert list(find_contradictions(subject_of(compiled), FlowSpace(compiled))) == []


def test_difference_is_what_is_excepted() -> None:
    """A new exception withdraws the term, and what includes it."""
    old, new = (CompiledPolicy(policy(each), VOCABULARY) for each in (ANYTHING, PERMIT))
    (change,) = compare_versions(old, new).changes
    assert change.kind == "no_longer_permitted"
    terms = str(change.region.terms[Dimension.DATA_CATEGORY])
    assert terms == "user except user.health, user.loans"


def test_risks_do_not_count_what_is_excepted() -> None:
    """Sensitive data that are left out need no condition."""
    entries = {**VOCABULARY.data_categories}
    entries["user.health"] = replace(entries["user.health"], sensitive=True)
    vocabulary = replace(VOCABULARY, data_categories=Taxonomy("data category", entries))
    rules = []
    for excepted in ((), ("user.health",)):
        permit = replace(PERMIT, exceptions={Dimension.DATA_CATEGORY: excepted})
        subject = subject_of(CompiledPolicy(policy(permit), vocabulary))
        rules.append([each.rule.id for each in find_risks(subject)])
    assert rules == [["sensitive-without-condition"], []]


def test_usage_tells_who_excepts_a_term() -> None:
    """Such a statement does not cover the term."""
    used = UsedTerms(policy(PERMIT), VOCABULARY).usage("data_categories", "user.contact.email")
    assert [used.covering, [each.id for each in used.excepting]] == [(), ["all.but"]]


def read(tmp_path: Path, exception: str) -> CompiledPolicy:
    shutil.copytree(SOUND, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "acme" / "policy.1.yaml"
    text = path.read_text(encoding="utf-8")
    groups = "  addresses:\n    data_categories: [user.contact.email]\nstatements:"
    text = text.replace("statements:", groups, 1)
    text = text.replace("data_categories: [user.contact]", "data_categories: [user]", 1)
    line = "    operations: [collect, use]\n"
    path.write_text(text.replace(line, line + exception, 1), encoding="utf-8")
    (compiled,) = load_policies(tmp_path).versions("acme")
    return compiled


def test_exceptions_are_read_by_term_or_by_defined_term(tmp_path: Path) -> None:
    """Both mean the same, and so have the same digest; another one than without."""
    plain = read(tmp_path / "a", "    except: {data_categories: [user.contact.email]}\n")
    grouped = read(tmp_path / "b", "    except: {defined_terms: [addresses]}\n")
    without = read(tmp_path / "c", "")
    expected = {Dimension.DATA_CATEGORY: ("user.contact.email",)}
    assert expected == plain.statements[0].exceptions == grouped.statements[0].exceptions
    assert grouped.statements[0].excepted_defined_terms == ("addresses",)
    assert plain.digest == grouped.digest != without.digest

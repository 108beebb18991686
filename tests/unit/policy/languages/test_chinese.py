"""What a compliance officer reads in Chinese, and that every language says the same."""

# ruff: noqa: RUF001 - Chinese punctuation is intended

import re
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from purposewatch_policy.change import Action, EventChange, PolicyChange
from purposewatch_policy.decide import decide
from purposewatch_policy.decision import Dimension, Grade, Kind, Outcome
from purposewatch_policy.files.directory import load_policies
from purposewatch_policy.flow import Flow
from purposewatch_policy.languages import LANGUAGES, catalogue
from purposewatch_policy.policy_set import PolicySet
from purposewatch_policy.sentence import sentence
from tests.unit.policy.library import NOW, POLICIES, VOCABULARY, flow
from tests.unit.policy.random_worlds import draw_ledger, draw_world

REAL = load_policies(Path(__file__).parents[4] / "policies")
HAPPENED = "`reader`的`user.contact`被`first_party`使用，用途为`service`"
LATIN_OUTSIDE_TERMS = re.compile(r"`[^`]*`|（[a-z0-9_.]+）|[0-9T:+-]{10,}")

each_language = pytest.mark.parametrize("language", LANGUAGES.values(), ids=LANGUAGES.keys())


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, f"{HAPPENED}；声明 `readers.contact`（readers.1）允许这样做。"),
        (
            {"data_categories": ("user.health",)},
            (
                "`reader`的`user.health`被`first_party`使用，用途为`service`；"
                "声明 `nobody.health`（limits.1）禁止这样做。"
            ),
        ),
        (
            {"role": "visitor", "operation": "collect", "data_categories": ("user.health",)},
            (
                "`visitor`的`user.health`被`first_party`收集，用途为`service`；"
                "声明 `nobody.health`（limits.1）禁止这样做，"
                "尽管声明 `visitors.wellbeing`（visitors.1）允许。"
            ),
        ),
        (
            {"role": "donor"},
            (
                "`donor`的`user.contact`被`first_party`使用，用途为`service`；"
                "没有任何声明允许处理该角色的数据。"
                "最接近的是声明 `readers.contact`（readers.1），其角色限于`reader`。"
            ),
        ),
        (
            {"operation": "share.sell", "recipient": "third_party", "purpose": "service.loans"},
            (
                "`reader`的`user.contact`被共享（`share.sell`）给`third_party`，用途为`service.loans`；"
                "没有针对该角色的声明允许把该类数据提供给该接收方。"
                "最接近的是声明 `readers.courier`（readers.2），其接收方限于`third_party.courier`。"
            ),
        ),
        (
            {"operation": "share", "recipient": "third_party.courier", "purpose": "marketing"},
            (
                "`reader`的`user.contact`被共享给`third_party.courier`，用途为`marketing`；"
                "没有针对该角色的声明允许为该用途把该类数据提供给该接收方。"
                "最接近的是声明 `readers.courier`（readers.2），其用途限于`service.loans`。"
            ),
        ),
        (
            {"data_categories": ("user",)},
            (
                "`reader`的`user`被`first_party`使用，用途为`service`；"
                "声明 `nobody.health`（limits.1）禁止其中一部分：数据类别为`user.health`。"
                "只有更具体的事件才可能获得允许。"
            ),
        ),
        (
            {"role": "visitor", "operation": "collect", "data_categories": ("user",)},
            (
                "`visitor`的`user`被`first_party`收集，用途为`service`；"
                "声明 `nobody.health`（limits.1）禁止其中一部分：数据类别为`user.health`，"
                "其余部分由声明 `visitors.wellbeing`（visitors.1）允许。"
                "只有更具体的事件才可能获得允许。"
            ),
        ),
        (
            {"data_categories": ("user",), "operation": "store"},
            (
                "`reader`的`user`被`first_party`存储，用途为`service`；"
                "没有针对该角色的声明涵盖该类数据。"
                "最接近的是声明 `readers.contact`（readers.1），其数据类别限于`user.contact`，"
                "其操作限于`collect`、`use`。"
            ),
        ),
        (
            {"purpose": "research"},
            (
                "`reader`的`user.contact`被`first_party`使用，用途为`research`；"
                "没有针对该角色、该类数据和该接收方的声明涵盖该用途。"
                "最接近的是声明 `readers.contact`（readers.1），其用途限于`service`。"
            ),
        ),
        (
            {"operation": "anonymise", "source": None, "legal_basis": "consent"},
            (
                "`reader`的`user.contact`由`first_party`进行`anonymise`，用途为`service`；"
                "事件未说明来源，而最接近的是声明 `readers.contact`（readers.1），"
                "其操作限于`collect`、`use`，其来源限于`data_subject`，其法律依据限于`contract`。"
            ),
        ),
        (
            {"operation": "store", "purpose": "service.loans", "data_categories": ("user.loans",)},
            (
                "`reader`的`user.loans`被`first_party`存储，用途为`service.loans`；"
                "事件未说明存储地点、保留期限，而最接近的是声明 `readers.loans`（readers.3），"
                "其存储地点限于`eu`，其保留期限不超过 30 天。"
            ),
        ),
        (
            {
                "operation": "store",
                "purpose": "service.loans",
                "data_categories": ("user.loans",),
                "location": "us",
                "retention_days": 31,
                "facts": {"loan.returned": True},
            },
            (
                "`reader`的`user.loans`被`first_party`存储，用途为`service.loans`；"
                "最接近的是声明 `readers.loans`（readers.3），但其存储地点限于`eu`，"
                "其保留期限不超过 30 天（事件为 31 天），其要求`loan.returned`不成立。"
            ),
        ),
        (
            {"purpose": "nothing", "data_categories": ("user.shoe_size",)},
            "`library` 的词汇表中没有用途 `nothing`、数据类别 `user.shoe_size`，因此无法判断。",
        ),
        ({"controller": "museum"}, "控制者 `museum` 没有任何政策，因此无法判断。"),
    ],
)
def test_sentence_says_what_happened_and_why(changes: dict[str, object], expected: str) -> None:
    """Each decision can be put into Chinese: what happened, and what the policy says."""
    asked = flow(**changes)
    decision = decide(asked, NOW, POLICIES)
    assert expected == sentence("zh", decision.categories[0], asked, NOW, POLICIES)


def test_sentence_says_that_no_policy_was_in_force() -> None:
    """A flow outside every version's time is explained by that time."""
    at = NOW.replace(year=2020)
    (decided,) = decide(flow(), at, POLICIES).categories
    expected = f"{HAPPENED}；在 2020-06-01T00:00:00+00:00，`library` 的政策没有任何版本生效。"
    assert expected == sentence("zh", decided, flow(), at, POLICIES)


def test_terms_are_called_by_their_labels() -> None:
    """Where the vocabulary has Chinese labels, they stand before the terms."""
    asked = Flow(
        controller="wework-labs",
        role="member",
        operation="use",
        purpose="essential.service.notifications.email",
        recipient="first_party",
        data_categories=("user.contact.email",),
    )
    (decided,) = decide(asked, NOW, REAL).categories
    label = REAL.vocabularies["wework-labs"].data_categories.label("user.contact.email", "zh")
    assert f"「{label}」（`user.contact.email`）" in sentence("zh", decided, asked, NOW, REAL)


def render_world(rng: Random, flows: int) -> Counter[str]:
    """Render every decision of some drawn flows, and return which kinds there were."""
    world = draw_world(rng)
    policies = PolicySet({"acme": world.vocabulary}, world.policies)
    seen: Counter[str] = Counter()
    for _ in range(flows):
        drawn, at = world.flow(rng)
        ledger = draw_ledger(rng, world)
        for decided in decide(drawn, at, policies, ledger).categories:
            assert decided.sentence == sentence("en", decided, drawn, at, policies, ledger)
            chinese = sentence("zh", decided, drawn, at, policies, ledger)
            assert chinese.endswith("。")
            assert not re.search("[A-Za-z]", LATIN_OUTSIDE_TERMS.sub("", chinese)), chinese
            assert decided.statement is None or f"`{decided.statement}`" in chinese
            seen[f"{decided.kind or decided.outcome} {decided.grade}"] += 1
    return seen


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.randoms(use_true_random=False))
def test_languages_render_every_decision(rng: Random) -> None:
    """English rendered afterwards is what the decision carries; Chinese has no English in it."""
    render_world(rng, flows=4)


def test_every_kind_of_decision_is_rendered() -> None:
    """The same holds on a wide sample in which every kind occurs."""
    rng = Random(7)  # noqa: S311  # a reproducible sample, not a secret
    seen: Counter[str] = Counter()
    for _ in range(300):
        seen += render_world(rng, flows=10)
    kinds = {each.split()[0] for each in seen}
    assert kinds >= {"permitted", "unknown", *Kind}
    assert "prohibited ambiguous" in seen


@pytest.mark.parametrize("language", LANGUAGES)
def test_everything_has_a_name(language: str) -> None:
    """A language names every outcome, kind, grade and dimension."""
    names = catalogue("purposewatch_policy.languages", language)
    for group, members in (
        ("outcome", Outcome),
        ("kind", Kind),
        ("grade", Grade),
        ("dimension", Dimension),
    ):
        assert {f"{group}.{each}" for each in members} == {
            key for key in names if key.startswith(f"{group}.")
        }


@pytest.mark.parametrize(
    ("change", "english", "chinese"),
    [
        (
            EventChange(Dimension.ROLE, "reader", "visitor"),
            "name the role more precisely: `reader`",
            "写明更具体的角色：`reader`",
        ),
        (
            EventChange(Dimension.PURPOSE, "service", "research"),
            "do it for `service` instead of `research`",
            "用途改为`service`，而不是`research`",
        ),
        (
            EventChange(Dimension.RECIPIENT, "first_party.desk", "third_party"),
            "keep it with `first_party.desk` instead of `third_party`",
            "数据只留在`first_party.desk`，而不是`third_party`",
        ),
        (
            EventChange(Dimension.RECIPIENT, "third_party.courier", "third_party"),
            "name the recipient more precisely: `third_party.courier`",
            "写明更具体的接收方：`third_party.courier`",
        ),
        (
            EventChange(Dimension.RECIPIENT, "third_party.courier", "first_party.desk"),
            "share with `third_party.courier` instead of `first_party.desk`",
            "改为提供给`third_party.courier`，而不是`first_party.desk`",
        ),
        (
            EventChange(Dimension.SOURCE, "school", None),
            "state the source `school`, in the field `data.source`",
            "写明来源为`school`（字段 `data.source`）",
        ),
        (
            EventChange(Dimension.LOCATION, "eu", "us"),
            "store it in `eu` instead of `us`",
            "存储地点改为`eu`，而不是`us`",
        ),
        (
            EventChange(Dimension.RETENTION, 1, 31),
            "keep it for at most 1 day",
            "保留不超过 1 天",
        ),
        (
            EventChange(Dimension.RETENTION, 30, None, span=(0, 30)),
            "state that it is kept for at most 30 days, in the field `data.retention_days`",
            "写明保留不超过 30 天（字段 `data.retention_days`）",
        ),
        (
            EventChange(Dimension.RETENTION, 180, None, span=(180, None)),
            "state that it is kept for at least 180 days, in the field `data.retention_days`",
            "写明保留不少于 180 天（字段 `data.retention_days`）",
        ),
        (
            EventChange(Dimension.RETENTION, 3650, None, span=(180, 3650)),
            "state that it is kept for 180 to 3650 days, in the field `data.retention_days`",
            "写明保留在 180 天至 3650 天之间（字段 `data.retention_days`）",
        ),
        (
            EventChange(Dimension.RETENTION, 30, 7),
            "keep it for at least 30 days",
            "保留至少 30 天",
        ),
        (
            EventChange(Dimension.FACTS, "consent.marketing", None, holds=True),
            "needs `consent.marketing`",
            "须满足`consent.marketing`",
        ),
        (
            EventChange(Dimension.FACTS, "loan.returned", before=True, holds=False),
            "needs that `loan.returned` does not hold",
            "须不存在`loan.returned`的情形",
        ),
    ],
)
def test_event_change_is_put_into_words(change: EventChange, english: str, chinese: str) -> None:
    """A change of the event reads as an instruction."""
    assert english == LANGUAGES["en"].event_change(change, VOCABULARY)
    assert chinese == LANGUAGES["zh"].event_change(change, VOCABULARY)


@pytest.mark.parametrize(
    ("action", "details", "english", "chinese"),
    [
        (
            Action.ADD,
            {"dimension": Dimension.RECIPIENT, "terms": ("third_party",)},
            "add `third_party` to the recipients of `s` (a.1)",
            "在声明 `s`（a.1）的接收方中加入`third_party`",
        ),
        (
            Action.LIFT,
            {"dimension": Dimension.SOURCE},
            "do not restrict the sources of `s` (a.1)",
            "声明 `s`（a.1）不再限定来源",
        ),
        (
            Action.RAISE,
            {"dimension": Dimension.RETENTION, "days": 31},
            "raise the retention of `s` (a.1) to 31 days",
            "把声明 `s`（a.1）的保留期限放宽到 31 天",
        ),
        (
            Action.DROP,
            {"dimension": Dimension.FACTS, "terms": ("loan.returned",), "holds": False},
            "do not require in `s` (a.1) that `loan.returned` does not hold",
            "声明 `s`（a.1）不再要求`loan.returned`不成立",
        ),
        (
            Action.REMOVE,
            {
                "dimension": Dimension.DATA_CATEGORY,
                "terms": ("user", "user.contact"),
                "defined_terms": ("contact_information",),
            },
            (
                "take `user` and `user.contact` out of the data categories that `s` (a.1) "
                "prohibits by way of `contact_information`"
            ),
            (
                "从声明 `s`（a.1）所禁止的数据类别中去掉`user`和`user.contact`"
                "（经由定义词 `contact_information` 列入）"
            ),
        ),
        (
            Action.WITHDRAW,
            {},
            "withdraw the prohibition `s` (a.1)",
            "撤回禁止性声明 `s`（a.1）",
        ),
    ],
)
def test_policy_change_is_put_into_words(
    action: Action, details: dict[str, object], english: str, chinese: str
) -> None:
    """A change of the policy says how to edit which statement."""
    change = PolicyChange(action, "s", "a.1", **details)  # type: ignore[arg-type]  # its fields
    assert english == LANGUAGES["en"].policy_change(change, VOCABULARY)
    assert chinese == LANGUAGES["zh"].policy_change(change, VOCABULARY)


@pytest.mark.parametrize("controller", REAL.controllers)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_term_has_a_label(controller: str, language: str) -> None:
    """Every term and section of the shipped policies has a Chinese label."""
    labels = {
        f"{name} {term}": entry.label
        for name, taxonomy in REAL.vocabularies[controller].taxonomies().items()
        for term, entry in taxonomy.items()
    }
    for compiled in REAL.versions(controller):
        policy = compiled.policy
        labels |= {f"section {name}": label for name, label in policy.sections.items()}
        labels |= {name: term.label for name, term in policy.defined_terms.items()}
        labels["title"] = policy.title
    nameless = [name for name, label in labels.items() if not label.get(language)]
    assert not nameless

"""Recorded events are counted by what policies in shadow mode would change about them."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from purposewatch_policy import Effect, Mode, Policy, PolicySet, Statement, Vocabulary
from purposewatch_reporter.handlers import Handlers
from purposewatch_reporter.ledger.writer import LedgerWriter
from purposewatch_reporter.shadow.candidates import candidates, find_candidate
from purposewatch_reporter.shadow.counter import ShadowCounter
from purposewatch_reporter.what_if import known_facts
from purposewatch_runtime import metrics as m
from tests.unit.reporter.records import in_topic, verdict

TOPIC = "data-access.verdicts"
NOW = datetime(2026, 3, 2, tzinfo=UTC)
VOCABULARY = Vocabulary.of(
    roles=["member", "visitor"],
    data_categories=["user", "user.contact", "user.contact.email", "user.name"],
    operations=["use"],
    purposes=["marketing", "marketing.advertising"],
    recipients=["first_party"],
)
CONTACT = Statement(
    id="members.contact.use",
    clause="members.1",
    effect=Effect.PERMIT,
    data_categories=("user.contact",),
    operations=("use",),
    roles=("member",),
    purposes=("marketing.advertising",),
    recipients=("first_party",),
)
NO_EMAIL = Statement(
    id="members.no_email",
    clause="members.2",
    effect=Effect.PROHIBIT,
    data_categories=("user.contact.email",),
    operations=("use",),
)
LIVE = Policy(
    controller="wework-labs",
    version="2018-05-25",
    in_force_from=datetime(2018, 5, 25, tzinfo=UTC),
    in_force_until=None,
    statements=(CONTACT,),
)
WIDER = replace(
    LIVE,
    version="2027",
    mode=Mode.SHADOW,
    statements=(replace(CONTACT, data_categories=("user",), roles=None),),
)


def declared(*policies: Policy) -> PolicySet:
    return PolicySet({"wework-labs": VOCABULARY}, policies)


TRIED = declared(replace(LIVE, shadow_statements={1: NO_EMAIL}), WIDER)


def counter(metric_set: m.MetricSet, policies: PolicySet) -> ShadowCounter:
    return ShadowCounter(lambda: policies, metric_set, lambda: NOW)


def counts(metric_set: m.MetricSet, candidate: str) -> dict[str, float]:
    """What a candidate would change, without what it would not."""
    return {
        sample.labels["change"]: sample.value
        for metric in metric_set.registry.collect()
        for sample in metric.samples
        if sample.name == "purposewatch_shadow_events_total"
        and sample.labels["candidate"] == candidate
        and sample.value
    }


async def test_events_are_counted_once_they_are_recorded(ledger_writer: LedgerWriter) -> None:
    """Under each candidate; what was recorded before is not counted again."""
    metric_set = m.MetricSet("reporter", version="0")
    shadow = counter(metric_set, TRIED)
    await shadow.refresh()
    handlers = Handlers(ledger_writer, metric_set, shadow)
    values: list[dict[str, Any]] = [
        verdict(offset=0),
        verdict(offset=1),
        verdict(offset=1),
        verdict(offset=2, outcome="violation", role="visitor", kind="undeclared_role"),
        verdict(offset=3, categories={"user.name": "violation"}, outcome="violation"),
    ]
    await handlers.verdicts(in_topic(TOPIC, values))
    assert counts(metric_set, "2018-05-25+shadow") == {
        "becomes_violation": 2,
        "changes_kind": 2,
    }
    assert counts(metric_set, "2027") == {"unchanged": 2, "becomes_permitted": 2}
    await handlers.verdicts(in_topic(TOPIC, [*values, verdict(offset=4)]))
    assert counts(metric_set, "2027") == {"unchanged": 3, "becomes_permitted": 2}


async def test_a_flow_is_judged_once(
    ledger_writer: LedgerWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the number of its events, and although the policies are looked at again."""
    judged: list[object] = []

    def decide(*arguments: Any) -> object:
        judged.append(arguments)
        return known_facts.decide_as_recorded(*arguments)

    monkeypatch.setattr("purposewatch_reporter.shadow.counter.decide_as_recorded", decide)
    metric_set = m.MetricSet("reporter", version="0")
    shadow = counter(metric_set, declared(LIVE, WIDER))
    handlers = Handlers(ledger_writer, metric_set, shadow)
    for first in (0, 10, 20):
        await shadow.refresh()
        values = [verdict(offset=offset) for offset in range(first, first + 10)]
        await handlers.verdicts(in_topic(TOPIC, values))
    assert (len(judged), counts(metric_set, "2027")) == (1, {"unchanged": 30})


async def test_what_went_live_is_not_counted_any_more(ledger_writer: LedgerWriter) -> None:
    """The policies may change at any time."""
    metric_set = m.MetricSet("reporter", version="0")
    policies = [declared(LIVE, WIDER)]
    shadow = ShadowCounter(lambda: policies[0], metric_set, lambda: NOW)
    handlers = Handlers(ledger_writer, metric_set, shadow)
    await shadow.refresh()
    await handlers.verdicts(in_topic(TOPIC, [verdict(offset=0)]))
    policies[0] = declared(LIVE)
    await shadow.refresh()
    await handlers.verdicts(in_topic(TOPIC, [verdict(offset=1)]))
    assert counts(metric_set, "2027") == {"unchanged": 1}


async def test_all_changes_begin_at_zero() -> None:
    """A counter that begins above 0 has no increase."""
    metric_set = m.MetricSet("reporter", version="0")
    await counter(metric_set, TRIED).refresh()
    for candidate in ("2018-05-25+shadow", "2027"):
        labels = {
            "controller": "wework-labs",
            "candidate": candidate,
            "change": "becomes_violation",
        }
        found = metric_set.registry.get_sample_value("purposewatch_shadow_events_total", labels)
        assert found == 0


def test_statements_are_tried_until_their_version_ends() -> None:
    """A version in shadow mode is tried whatever its dates."""
    ended = replace(LIVE, shadow_statements={1: NO_EMAIL}, in_force_until=NOW)
    policies = declared(ended, WIDER)
    assert [each.name for each in candidates(policies, NOW)] == ["2027"]
    assert [each.name for each in candidates(TRIED, NOW)] == ["2018-05-25+shadow", "2027"]
    found = find_candidate(TRIED, "wework-labs", "2027")
    assert found is not None
    assert found.name == "2027"
    assert find_candidate(TRIED, "wework-labs", "2028") is None
    assert find_candidate(TRIED, "nobody", "2027") is None

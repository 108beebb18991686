"""The page explains a verdict as `purposewatch policy explain` does."""

import html
import io
import json
import re
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from random import Random
from shutil import copytree
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import TypeAdapter
from rich.console import Console

from purposewatch_cli.policy.explain.report import show
from purposewatch_policy import (
    CategoryDecision,
    Flow,
    Kind,
    LedgerValues,
    Outcome,
    PolicySet,
    decide,
    explain,
    relevant_facts,
)
from purposewatch_policy.languages import TAGS
from purposewatch_reporter.web.declared import DeclaredPolicies
from purposewatch_reporter.web.fact_history import ledger_of
from purposewatch_reporter.web.language import page_texts
from purposewatch_reporter.web.reasons import SHOWN_TERMS, explain_verdict, reasons_of
from purposewatch_reporter.web.rendering import Rendering
from tests.unit.policy import library
from tests.unit.policy.random_worlds import draw_ledger, draw_world
from tests.unit.reporter.web.conftest import ROOT

RENDERING = Rendering()
_CATEGORIES = TypeAdapter(tuple[CategoryDecision, ...])


def declaring(policies: PolicySet) -> DeclaredPolicies:
    """The page's policies, without files."""
    declared = DeclaredPolicies(Path("no such directory"))
    declared.current = policies
    return declared


def verdict_of(
    flow: Flow, at: datetime, policies: PolicySet, ledger: LedgerValues | None = None
) -> dict[str, Any]:
    """What the auditor publishes about a flow, as it is stored."""
    decided = decide(flow, at, policies, ledger or {})
    is_known = flow.controller in policies.controllers
    compiled = policies.in_force(flow.controller, at) if is_known else None
    facts = relevant_facts(flow, compiled) if compiled is not None else ()
    message = {
        "facts": [{"fact": name, "value": (ledger or {}).get(name)} for name in facts],
        "event_time": at.isoformat(),
        "data": {**flow.model_dump(mode="json"), "subject": "psn:1:0"},
        "categories": _CATEGORIES.dump_python(decided.categories, mode="json"),
    }
    stored: dict[str, Any] = json.loads(json.dumps(message))
    return stored


def shown(verdict: dict[str, Any], policies: PolicySet, language: str) -> str:
    """The section of the violation's page that explains the decision."""
    declared = declaring(policies)
    explanation = explain_verdict(verdict, declared, language)
    texts = page_texts(language)
    return RENDERING.render(
        "reasons.html",
        {
            "t": texts,
            "own": texts.pick,
            "language": language,
            "row": SimpleNamespace(controller=verdict["data"]["controller"]),
            "label": lambda whose, dimension, term: declared.label(
                whose, dimension, term, language
            ),
            "is_sensitive": declared.is_sensitive,
            "policy": None,
            "reasons": reasons_of(verdict, explanation, declared),
            "explanation": explanation,
            "shown_terms": SHOWN_TERMS,
        },
    )


def told(
    flow: Flow, at: datetime, policies: PolicySet, language: str, ledger: LedgerValues
) -> list[str]:
    """The lines of `purposewatch policy explain`, unbroken; advice begins with `   *`."""
    stream = io.StringIO()
    explanation = explain(flow, at, policies, language, ledger)
    show(Console(file=stream, width=10_000), explanation)
    lines, in_advice = [], False
    for line in map(str.rstrip, stream.getvalue().splitlines()):
        in_advice = bool(line) and (in_advice or line.strip() == explanation.advice_heading)
        lines.append(f"   *{line}" if in_advice and line.startswith(" " * 6) else line)
    return lines


def texts_in(page: str, pattern: str) -> list[str]:
    """What stands in the elements that a pattern finds, as a terminal would show it."""
    return [
        html.unescape(re.sub("<[^>]+>", "", re.sub("</?code>", "`", found)))
        for found in re.findall(pattern, page, re.DOTALL)
    ]


@pytest.mark.parametrize("language", TAGS)
@pytest.mark.parametrize("seed", range(60))
def test_page_advises_what_the_command_advises(seed: int, language: str) -> None:
    """Over random policies and flows, also when the policies have changed since the verdict."""
    rng = Random(seed)  # noqa: S311  # a reproducible sample, not a secret
    world = draw_world(rng)
    policies = PolicySet({"acme": world.vocabulary}, world.policies)
    before = PolicySet({"acme": world.vocabulary}, world.policies[1:])
    for _ in range(6):
        drawn, at = world.flow(rng)
        flow = Flow.model_validate(asdict(drawn))
        recorded_by = rng.choice([policies, before])
        verdict = verdict_of(flow, at, recorded_by, draw_ledger(rng, world))
        page = shown(verdict, policies, language)
        lines = told(flow, at, policies, language, ledger_of(verdict))

        advised = [line for line in lines if line.startswith("   *")]
        page_advice = "".join(re.findall("<dl>(.*?)</dl>", page, re.DOTALL))
        assert texts_in(page_advice, '<(?:li|p class="hint")>(.*?)</(?:li|p)>') == [
            line.removeprefix("   *").strip().removeprefix("- ") for line in advised
        ]
        sentences = {line.strip() for line in lines}
        if recorded_by is policies:
            assert set(texts_in(page, '<p class="sentence">(.*?)</p>')) <= sentences
            assert 'class="changed"' not in page
        assert set(texts_in(page, '<p class="hint">(?=[^<]*vocab)(.*?)</p>')) <= sentences


def test_sample_holds_what_advice_is_about() -> None:
    """Prohibitions in the way, changed events and changed policies all occur in it."""
    seen: set[str] = set()
    for seed in range(60):
        rng = Random(seed)  # noqa: S311  # a reproducible sample, not a secret
        world = draw_world(rng)
        policies = PolicySet({"acme": world.vocabulary}, world.policies)
        for _ in range(6):
            drawn, at = world.flow(rng)
            explained = explain(Flow.model_validate(asdict(drawn)), at, policies, "en")
            for each in explained.categories:
                seen.add(str(each.decided.kind or each.decided.outcome))
                if each.remedies:
                    seen.add("event" if each.remedies.event else "no event")
                    seen.add("obstacle" if each.remedies.obstacle else "no obstacle")
                    seen.add("policy" if each.remedies.policy else "no policy")

    assert seen >= {"event", "no event", "obstacle", "policy", Kind.PROHIBITED, Outcome.UNKNOWN}


def test_prohibition_is_part_of_the_advice() -> None:
    """Widening a permit does not help where a prohibition covers the flow."""
    flow = library.flow(data_categories=("user.health",))
    page = shown(verdict_of(flow, library.NOW, library.POLICIES), library.POLICIES, "en")

    assert any("nobody.health" in each for each in texts_in(page, "<li>(.*?)</li>"))


def test_prohibition_of_a_part_is_the_deciding_statement() -> None:
    """The term that is too general stands beside the prohibited one below it."""
    flow = library.flow(data_categories=("user",))
    page = shown(verdict_of(flow, library.NOW, library.POLICIES), library.POLICIES, "en")

    assert "Deciding statement:" in page
    assert "Nearest statement:" not in page
    [failed] = re.findall('<tr class="fails">(.*?)</tr>', page, re.DOTALL)
    assert "user.health" in failed


def test_what_failed_stands_beside_what_is_covered() -> None:
    """With the term that the statement names and the one that the event states."""
    flow = library.flow(purpose="marketing")
    page = shown(verdict_of(flow, library.NOW, library.POLICIES), library.POLICIES, "en")

    [failed] = re.findall('<tr class="fails">(.*?)</tr>', page, re.DOTALL)
    assert "Purpose" in failed
    assert "service" in failed
    assert "marketing" in failed
    assert '<tr class="holds">' in page


def test_changed_policy_is_named_beside_the_recorded_decision() -> None:
    """The record stays; what the policies say now is set apart from it."""
    flow = library.flow(purpose="marketing")
    verdict = verdict_of(flow, library.NOW, library.POLICIES)
    permit = next(each for each in library.STATEMENTS if each.id == "readers.contact")
    changed = PolicySet(
        {"library": library.VOCABULARY},
        [library.policy(replace(permit, purposes=("service", "marketing")))],
    )

    page = shown(verdict, changed, "en")

    assert "outcome-violation" in page
    assert "The policies were changed after this verdict." in page
    assert "outcome-permitted" in page
    assert 'class="remedy"' not in page


def test_verdict_of_a_controller_without_policies_shows_the_record() -> None:
    """The sentence and what failed were recorded; nothing can be advised."""
    flow = library.flow(purpose="marketing")
    verdict = verdict_of(flow, library.NOW, library.POLICIES)

    page = shown(verdict, PolicySet({}, ()), "en")

    assert "only the recorded decision can be shown" in page
    assert '<tr class="fails">' in page
    assert "readers.contact" in page
    assert 'class="remedy"' not in page


def test_invalid_files_leave_the_last_valid_policies(tmp_path: Path) -> None:
    """And the page says so until they are valid again."""
    copytree(ROOT / "policies", tmp_path / "policies")
    home = tmp_path / "policies" / "wework-labs"
    declared = DeclaredPolicies(tmp_path / "policies")
    declared.read()
    valid = declared.current
    [policy] = sorted(home.glob("policy*.yaml"))
    text = policy.read_text()

    policy.write_text(text.replace("statements:", "statments:"))
    declared.read()
    assert (declared.is_invalid, declared.current) == (True, valid)

    policy.write_text(text + "\n")
    declared.read()
    assert (declared.is_invalid, declared.current is valid) == (False, False)
    assert declared.policy("wework-labs", "2018-05-25") is not None


def test_dates_are_shown_in_the_zone_of_the_policy() -> None:
    """As the document states them, with the offset."""
    zoned = RENDERING._environment.filters["zoned"]
    policy = declaring(library.POLICIES).policies()[0]
    assert zoned(policy.in_force_from) == "2024-01-01 00:00 UTC"
    assert zoned(datetime.fromisoformat("2018-05-25T00:00:00+08:00")) == (
        "2018-05-25 00:00 UTC+08:00"
    )

"""What is found to be shadowed or duplicate can be removed."""

from collections import Counter
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from purposewatch_policy.compile import CompiledPolicy
from purposewatch_policy.decide import decide_under
from purposewatch_policy.flow_space import FlowSpace
from purposewatch_policy.lint import Finding
from purposewatch_policy.lint.shadowing import find_shadowed
from purposewatch_policy.model import Effect, Statement
from tests.unit.policy.library import POLICY, VOCABULARY, policy
from tests.unit.policy.lint.subjects import draw, subject_of

WIDE = Statement(
    id="wide",
    clause="readers.1",
    effect=Effect.PERMIT,
    data_categories=("user.contact",),
    operations=("collect", "use"),
    purposes=("service",),
    recipients=("first_party",),
)


def findings_of(*statements: Statement) -> list[Finding]:
    compiled = CompiledPolicy(policy(*statements), VOCABULARY)
    return list(find_shadowed(subject_of(compiled), FlowSpace(compiled)))


def test_a_condition_without_effect_is_reported() -> None:
    """The wider statement requires neither the fact nor the role."""
    narrow = replace(WIDE, id="narrow", when=("consent.marketing",), roles=("reader",))

    [finding] = findings_of(narrow, WIDE)

    assert finding.statements == ("narrow",)
    assert finding.evidence["narrower_in"] == ["roles", "when"]


def test_the_later_of_two_that_say_the_same_is_the_duplicate() -> None:
    """Even when the words differ: a term below another adds nothing to it."""
    again = replace(WIDE, id="again", data_categories=("user.contact", "user.contact.email"))

    [finding] = findings_of(WIDE, again)

    assert (finding.rule.id, finding.statements) == ("duplicate-statement", ("again", "wide"))


def test_several_statements_can_shadow_one_together() -> None:
    """Each covers a part; only those that are needed are named."""
    collecting = replace(WIDE, id="collecting", operations=("collect",), data_categories=("user",))
    using = replace(WIDE, id="using", operations=("use",), data_categories=("user",))
    stray = replace(WIDE, id="stray", roles=("donor",), recipients=("first_party", "third_party"))

    [finding] = findings_of(stray, WIDE, collecting, using)

    assert finding.statements == ("wide",)
    assert finding.evidence["covered_by"] == ["collecting", "using"]


def test_one_of_the_other_effect_shadows_nothing() -> None:
    """A prohibition of the same flows is a contradiction."""
    forbidden = replace(WIDE, id="forbidden", effect=Effect.PROHIBIT)

    assert not findings_of(WIDE, forbidden)


def test_every_statement_of_the_library_is_needed() -> None:
    """A sound policy has no finding."""
    assert not findings_of(*POLICY.statements)


@settings(max_examples=400, deadline=None)
@given(st.integers(min_value=0))
def test_removing_what_is_found_changes_no_outcome(seed: int) -> None:
    """One by one or all together, kinds of permitted and prohibited flows stay what they were."""
    world, subject, space, flows = draw(seed)
    found = [finding.statements[0] for finding in find_shadowed(subject, space)]
    for removed in [found, *([each] for each in found)]:
        fewer = CompiledPolicy(
            replace(
                subject.policy,
                statements=tuple(
                    each for each in subject.policy.statements if each.id not in removed
                ),
            ),
            world.vocabulary,
        )
        for flow in flows:
            before = decide_under(flow, subject.compiled)
            after = decide_under(flow, fewer)
            assert before.outcome is after.outcome
            assert [each.outcome for each in before.categories] == [
                each.outcome for each in after.categories
            ]


def test_the_drawn_policies_do_shadow() -> None:
    """The samples of the property above have shadowed statements."""
    rules = Counter(
        (finding.rule.id, len(finding.related) > 1)
        for seed in range(400)
        for finding in find_shadowed(draw(seed)[1], draw(seed)[2])
    )
    assert rules["shadowed-statement", False] > 30
    assert rules["shadowed-statement", True] > 3

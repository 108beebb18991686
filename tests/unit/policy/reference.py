"""A deliberately naive checker: it tests each dimension of each statement, as the rules say.

It shares only the model's types with the product. Where the two differ, one of them is wrong.
"""

from collections.abc import Callable, Iterable, Mapping
from copy import copy
from dataclasses import dataclass, replace
from datetime import datetime

from purposewatch_policy.decision import Dimension
from purposewatch_policy.model import Effect, Policy, Statement
from purposewatch_policy.vocabulary import FlowTerms, Taxonomy, Vocabulary

KINDS = [
    "policy_not_in_force",
    "prohibited",
    "prohibited_in_part",
    "undeclared_role",
    "undeclared_third_party_sharing",
    "undeclared_category",
    "undeclared_purpose",
    "undeclared_operation",
    "undeclared_source",
    "undeclared_location",
    "excessive_retention",
    "legal_basis_mismatch",
    "contradicted_claim",
    "condition_not_met",
]


@dataclass(frozen=True)
class Finding:
    """What the checker says about one data category."""

    outcome: str
    kind: str | None = None
    grade: str | None = None
    distance: int | None = None
    statement: str | None = None
    clause: str | None = None
    failed: tuple[str, ...] = ()


UNKNOWN = Finding("unknown")


def check(
    flow: FlowTerms,
    at: datetime,
    vocabularies: dict[str, Vocabulary],
    policies: list[Policy],
    ledger: Mapping[str, bool | None] | None = None,
) -> tuple[str, str | None, str | None, list[Finding]]:
    """Return outcome, kind and policy version of the event, and a finding for each category."""
    if flow.controller not in vocabularies:
        return conclude(None, [UNKNOWN for _ in flow.data_categories])
    vocabulary = vocabularies[flow.controller]
    policy = next((each for each in policies if is_in_force(each, flow.controller, at)), None)
    findings = []
    for category in flow.data_categories:
        if not is_known(flow, category, vocabulary):
            findings.append(UNKNOWN)
        elif policy is None:
            findings.append(Finding("violation", "policy_not_in_force", "omitted"))
        else:
            findings.append(check_with_ledger(flow, category, policy, vocabulary, ledger))
    return conclude(policy, findings)


def check_with_ledger(
    flow: FlowTerms,
    category: str,
    policy: Policy,
    vocabulary: Vocabulary,
    ledger: Mapping[str, bool | None] | None,
) -> Finding:
    if ledger is None:
        return check_category(flow, category, policy, vocabulary)
    facts: dict[str, bool] = {}
    for fact, entry in vocabulary.facts.items():
        if entry.authority == "publisher":
            if fact in flow.facts:
                facts[fact] = flow.facts[fact]
        elif is_relevant(fact, flow, policy, vocabulary):
            value = ledger.get(fact)
            if value is not None:
                facts[fact] = value
    finding = check_category(with_facts(flow, facts), category, policy, vocabulary)
    if finding.kind != "condition_not_met":
        return finding
    claimed = with_facts(flow, {**facts, **flow.facts})
    believed = check_category(claimed, category, policy, vocabulary)
    if believed.outcome != "permitted":
        return finding
    place = (believed.statement, believed.clause)
    return Finding("violation", "contradicted_claim", "omitted", None, *place, ("facts",))


def is_relevant(fact: str, flow: FlowTerms, policy: Policy, vocabulary: Vocabulary) -> bool:
    """Whether a statement tests the fact that is about the flow in every other dimension.

    If no permit is, the one that would come nearest if all conditions were met counts.
    """
    bare = [replace(each, when=(), unless=()) for each in policy.statements]
    permits = [each for each in bare if each.effect is Effect.PERMIT]
    about: set[str | None] = set()
    for category in flow.data_categories:
        if category not in vocabulary.data_categories:
            continue
        failed = {each.id: failures(each, flow, category, vocabulary) for each in permits}
        covering = {name for name, fails in failed.items() if not any(fails.values())}
        about |= covering
        about |= {
            each.id
            for each in bare
            if each.effect is Effect.PROHIBIT and covers_a_part(each, flow, category, vocabulary)
        }
        if not covering and not all(fails["role"] for fails in failed.values()):
            permitting = replace(policy, statements=tuple(permits))
            about.add(check_category(flow, category, permitting, vocabulary).statement)
    return any(fact in (*each.when, *each.unless) for each in policy.statements if each.id in about)


def with_facts(flow: FlowTerms, facts: dict[str, bool]) -> FlowTerms:
    changed = copy(flow)
    object.__setattr__(changed, "facts", facts)
    return changed


def is_in_force(policy: Policy, controller: str, at: datetime) -> bool:
    if policy.controller != controller or at < policy.in_force_from:
        return False
    return policy.in_force_until is None or at < policy.in_force_until


def is_known(flow: FlowTerms, category: str, vocabulary: Vocabulary) -> bool:
    return (
        flow.role in vocabulary.roles
        and category in vocabulary.data_categories
        and flow.operation in vocabulary.operations
        and flow.purpose in vocabulary.purposes
        and flow.recipient in vocabulary.recipients
        and (flow.source is None or flow.source in vocabulary.sources)
        and (flow.location is None or flow.location in vocabulary.locations)
        and (flow.legal_basis is None or flow.legal_basis in vocabulary.legal_bases)
        and all(fact in vocabulary.facts for fact in flow.facts)
    )


def conclude(
    policy: Policy | None, findings: list[Finding]
) -> tuple[str, str | None, str | None, list[Finding]]:
    outcomes = {finding.outcome for finding in findings}
    outcome = next(each for each in ("violation", "unknown", "permitted") if each in outcomes)
    kinds = {finding.kind for finding in findings}
    kind = next((each for each in KINDS if each in kinds), None)
    return outcome, kind, policy.version if policy else None, findings


def check_category(  # noqa: PLR0911  # one return for each rule, in the rules' order
    flow: FlowTerms, category: str, policy: Policy, vocabulary: Vocabulary
) -> Finding:
    def failed(statement: Statement) -> dict[str, bool]:
        return failures(statement, flow, category, vocabulary)

    permits = [each for each in policy.statements if each.effect is Effect.PERMIT]
    prohibits = [each for each in policy.statements if each.effect is Effect.PROHIBIT]
    covering = [each for each in permits if not any(failed(each).values())]
    forbidding = [each for each in prohibits if not any(failed(each).values())]
    if forbidding:
        chosen, steps = closest(forbidding, flow, category, vocabulary)
        grade = "ambiguous" if covering else "incorrect"
        return Finding("violation", "prohibited", grade, steps, chosen.id, chosen.clause)
    partly = [each for each in prohibits if covers_a_part(each, flow, category, vocabulary)]
    if partly:
        grade = "ambiguous" if covering else "incorrect"
        return omitted("prohibited_in_part", partly, failed, flow, vocabulary, grade=grade)
    if covering:
        chosen, steps = closest(covering, flow, category, vocabulary)
        grade = "vague" if steps else "clear"
        return Finding("permitted", None, grade, steps, chosen.id, chosen.clause)

    def passing(*dimensions: str) -> list[Statement]:
        return [
            each for each in permits if not any(failed(each)[dimension] for dimension in dimensions)
        ]

    outside = vocabulary.recipients.lineage(flow.recipient)[-1] != "first_party"
    if not passing("role"):
        return omitted("undeclared_role", permits, failed, flow, vocabulary)
    if outside and not passing("role", "data_category", "recipient", "purpose"):
        candidates = passing("role", "data_category", "recipient")
        candidates = about_a_part(candidates, flow, vocabulary) or passing("role")
        return omitted("undeclared_third_party_sharing", candidates, failed, flow, vocabulary)
    if not passing("role", "data_category"):
        return omitted("undeclared_category", passing("role"), failed, flow, vocabulary)
    if not passing("role", "data_category", "recipient", "purpose"):
        candidates = passing("role", "data_category", "recipient")
        candidates = about_a_part(candidates, flow, vocabulary) or passing("role", "data_category")
        return omitted("undeclared_purpose", candidates, failed, flow, vocabulary)
    candidates = passing("role", "data_category", "recipient", "purpose")
    return omitted(None, candidates, failed, flow, vocabulary)


def omitted(
    kind: str | None,
    candidates: list[Statement],
    failed: Callable[[Statement], dict[str, bool]],
    flow: FlowTerms,
    vocabulary: Vocabulary,
    *,
    grade: str = "omitted",
) -> Finding:
    if not candidates:
        return Finding("violation", kind, grade)
    fewest = min(sum(failed(each).values()) for each in candidates)
    best = [each for each in candidates if sum(failed(each).values()) == fewest]
    pattern = min(tuple(failed(each).values()) for each in best)
    best = [each for each in best if tuple(failed(each).values()) == pattern]

    def closeness(statement: Statement) -> tuple[int, int]:
        return (
            common_path(statement.recipients, flow.recipient, vocabulary.recipients),
            common_path(statement.purposes, flow.purpose, vocabulary.purposes),
        )

    nearest = max(best, key=closeness)  # the first of equals
    lacks = tuple(dimension for dimension, fails in failed(nearest).items() if fails)
    kind = kind or {
        "operation": "undeclared_operation",
        "source": "undeclared_source",
        "location": "undeclared_location",
        "retention": "excessive_retention",
        "legal_basis": "legal_basis_mismatch",
        "facts": "condition_not_met",
    }.get(lacks[0])
    return Finding("violation", kind, grade, None, nearest.id, nearest.clause, lacks)


def failures(
    statement: Statement, flow: FlowTerms, category: str, vocabulary: Vocabulary
) -> dict[str, bool]:
    """Return for each dimension, in order of significance, whether the statement fails it."""
    kept = flow.retention_days
    most = statement.retention_days
    least = statement.retention_at_least

    def fails(dimension: Dimension, stated: str | None) -> bool:
        return not names(statement, dimension, stated, vocabulary)

    return {
        "role": fails(Dimension.ROLE, flow.role),
        "data_category": fails(Dimension.DATA_CATEGORY, category),
        "purpose": fails(Dimension.PURPOSE, flow.purpose),
        "recipient": fails(Dimension.RECIPIENT, flow.recipient),
        "operation": fails(Dimension.OPERATION, flow.operation),
        "source": fails(Dimension.SOURCE, flow.source),
        "location": fails(Dimension.LOCATION, flow.location),
        "retention": (most is not None and (kept is None or kept > most))
        or (least is not None and (kept is None or kept < least)),
        "legal_basis": flow.legal_basis is not None
        and fails(Dimension.LEGAL_BASIS, flow.legal_basis),
        "facts": not (
            all(flow.facts.get(fact, False) for fact in statement.when)
            and not any(flow.facts.get(fact, False) for fact in statement.unless)
        ),
    }


def about_a_part(
    statements: list[Statement], flow: FlowTerms, vocabulary: Vocabulary
) -> list[Statement]:
    """Return those that name something below the flow's purpose, or all if there are none."""
    purposes = vocabulary.purposes
    below = [
        each
        for each in statements
        if any(purposes.covers(flow.purpose, term) for term in each.purposes or ())
    ]
    return below or statements


def common_path(terms: Iterable[str] | None, stated: str, taxonomy: Taxonomy) -> int:
    """Return how many ancestors the stated term shares with the term that shares most."""
    path = set(taxonomy.lineage(stated))
    return max((len(path & set(taxonomy.lineage(term))) for term in terms or ()), default=0)


def covers_a_part(
    statement: Statement, flow: FlowTerms, category: str, vocabulary: Vocabulary
) -> bool:
    """Whether a statement covers the flow, or some flow that states something more precise."""
    without_retention = replace(statement, retention_days=None, retention_at_least=None)
    failed = failures(
        statement if flow.retention_days is not None else without_retention,
        flow,
        category,
        vocabulary,
    )
    return (
        reaches(statement, Dimension.ROLE, flow.role, vocabulary)
        and reaches(statement, Dimension.DATA_CATEGORY, category, vocabulary)
        and reaches(statement, Dimension.PURPOSE, flow.purpose, vocabulary)
        and reaches(statement, Dimension.RECIPIENT, flow.recipient, vocabulary)
        and reaches(statement, Dimension.OPERATION, flow.operation, vocabulary)
        and reaches(statement, Dimension.SOURCE, flow.source, vocabulary)
        and reaches(statement, Dimension.LOCATION, flow.location, vocabulary)
        and not failed["retention"]
        and not failed["facts"]
    )


def reaches(
    statement: Statement, dimension: Dimension, stated: str | None, vocabulary: Vocabulary
) -> bool:
    """Whether the statement covers the stated term, or names something below it."""
    taxonomy = vocabulary.taxonomy(dimension)
    return (
        stated is None
        or names(statement, dimension, stated, vocabulary)
        or any(taxonomy.covers(stated, term) for term in statement.terms(dimension) or ())
    )


def names(
    statement: Statement, dimension: Dimension, stated: str | None, vocabulary: Vocabulary
) -> bool:
    """Whether the statement covers a term, or a flow that states none."""
    taxonomy = vocabulary.taxonomy(dimension)
    terms = statement.terms(dimension)
    permits = statement.effect is Effect.PERMIT
    if stated is None:
        return terms is None and not (permits and statement.excepted(dimension))
    if terms is not None and not any(taxonomy.covers(term, stated) for term in terms):
        return False
    for term in statement.excepted(dimension):
        if taxonomy.covers(term, stated) or (permits and taxonomy.covers(stated, term)):
            return False
    return True


def closest(
    statements: list[Statement], flow: FlowTerms, category: str, vocabulary: Vocabulary
) -> tuple[Statement, int]:
    def distance(statement: Statement) -> int:
        return (
            steps(statement.data_categories, category, vocabulary.data_categories)
            + steps(statement.purposes, flow.purpose, vocabulary.purposes)
            + steps(statement.recipients, flow.recipient, vocabulary.recipients)
        )

    chosen = min(statements, key=distance)  # the first of equals
    return chosen, distance(chosen)


def steps(terms: tuple[str, ...] | None, stated: str, taxonomy: Taxonomy) -> int:
    lineage = taxonomy.lineage(stated)
    if terms is None:  # the dimension's root above all roots
        return len(lineage)
    return next(step for step, term in enumerate(lineage) if term in terms)

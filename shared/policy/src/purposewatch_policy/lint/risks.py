"""Finds risks that remain even where they are declared."""

from collections.abc import Callable, Iterator

from purposewatch_policy.decision import Dimension
from purposewatch_policy.lint.finding import Finding, Rule, Severity, cited, listed
from purposewatch_policy.lint.rules import (
    OTHER_PEOPLES_DATA,
    PUBLIC_DISCLOSURE,
    SENSITIVE_WITHOUT_CONDITION,
    STORAGE_WITHOUT_LIMIT,
    UNVERIFIED_CONDITION,
)
from purposewatch_policy.lint.subject import Subject
from purposewatch_policy.model import Effect, Statement
from purposewatch_policy.vocabulary import FIRST_PARTY, Taxonomy

_PUBLISH = "share.publish"
_STORE = "store"


def find_risks(subject: Subject) -> Iterator[Finding]:
    """Yield disclosures to the public or of other people's data, unconditional uses and storage.

    A statement is judged by everything that it covers, not only by the terms that it names.
    """
    for index, statement in enumerate(subject.policy.statements):
        if statement.effect is Effect.PERMIT:
            for rule, severity, message, evidence in _risks(subject, statement):
                yield Finding(
                    rule=rule,
                    severity=severity,
                    at=subject.statement(index),
                    message=message,
                    controller=subject.policy.controller,
                    version=subject.policy.version,
                    statements=(statement.id,),
                    evidence=evidence,
                )


_Risk = tuple[Rule, Severity, str, dict[str, object]]


def _risks(subject: Subject, statement: Statement) -> Iterator[_Risk]:
    vocabulary = subject.vocabulary
    categories = vocabulary.data_categories
    recipients = vocabulary.recipients
    named = statement.recipients or ()
    left_out = statement.excepted(Dimension.RECIPIENT)
    outside = highest_covered(
        recipients, named, lambda term: not recipients.covers(FIRST_PARTY, term), left_out
    )
    public = highest_covered(recipients, named, recipients.is_public, left_out)
    publishes = _PUBLISH in statement.operations
    if public or publishes:
        what = f"lets {listed(_roots(categories, statement))} "
        what += f"go to {listed(public)}" if public else f"undergo `{_PUBLISH}`"
        message = (
            f"{cited(statement)} {what}; declaring it does not make it lawful: narrow it, "
            "prohibit it, or accept the finding with the reason"
        )
        yield PUBLIC_DISCLOSURE, Severity.WARNING, message, {"recipients": list(public)}
    others = _categories(categories, statement, categories.is_about_others)
    if others and outside:
        message = (
            f"{cited(statement)} lets data about other people ({listed(others)}) go to "
            f"{listed(outside)}; leave them out, prohibit it, or accept the finding with the reason"
        )
        evidence: dict[str, object] = {
            "data_categories": list(others),
            "recipients": list(outside),
        }
        yield OTHER_PEOPLES_DATA, Severity.WARNING, message, evidence
    sensitive = _categories(categories, statement, categories.is_sensitive)
    if sensitive and not statement.when and not statement.unless:
        severity = Severity.WARNING if outside else Severity.NOTE
        whereto = f" for {listed(outside)}" if outside else ""
        message = (
            f"{cited(statement)} permits sensitive data ({listed(sensitive)}){whereto} without a "
            "condition; add a fact to `when` or `unless`, leave them out, or accept the finding "
            "with the reason"
        )
        evidence = {"data_categories": list(sensitive)}
        yield SENSITIVE_WITHOUT_CONDITION, severity, message, evidence
    claimed = tuple(
        fact for fact, _ in statement.conditions() if fact not in subject.compiled.ledger_facts
    )
    if claimed and (public or publishes or (sensitive and outside)):
        message = (
            f"{cited(statement)} discloses data on the word of the event's publisher "
            f"({listed(claimed)}); give the fact `authority: ledger`, or accept the finding with "
            "the reason"
        )
        yield UNVERIFIED_CONDITION, Severity.WARNING, message, {"facts": list(claimed)}
    stores = any(_STORE in vocabulary.operations.lineage(each) for each in statement.operations)
    if stores and statement.retention_days is None:
        state = "state" if statement.retention_at_least is None else "add `at_most` to"
        message = (
            f"{cited(statement)} permits storing without a limit of time, also after the person "
            f"has left; {state} `retention_days`, or accept the finding with the reason"
        )
        yield STORAGE_WITHOUT_LIMIT, Severity.NOTE, message, {}


def highest_covered(
    taxonomy: Taxonomy,
    named: tuple[str, ...],
    wanted: Callable[[str], bool],
    excepted: tuple[str, ...] = (),
) -> tuple[str, ...]:
    """Return the wanted terms at or below the named ones that lie below no other of them.

    What is excepted does not count, nor what lies above that.
    """
    terms = [
        term
        for term in taxonomy
        if wanted(term)
        and any(above in named for above in taxonomy.lineage(term))
        and not any(taxonomy.covers(each, term) or taxonomy.covers(term, each) for each in excepted)
    ]
    return tuple(term for term in terms if not set(taxonomy.lineage(term)[1:]) & set(terms))


def _roots(categories: Taxonomy, statement: Statement) -> tuple[str, ...]:
    return _categories(categories, statement, lambda _: True)


def _categories(
    taxonomy: Taxonomy, statement: Statement, wanted: Callable[[str], bool]
) -> tuple[str, ...]:
    excepted = statement.excepted(Dimension.DATA_CATEGORY)
    return highest_covered(taxonomy, statement.data_categories, wanted, excepted)

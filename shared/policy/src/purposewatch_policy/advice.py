"""Remedies in words: the one advice that the command line and the page both show."""

from dataclasses import dataclass

from purposewatch_policy.languages import LANGUAGES, explanation_texts
from purposewatch_policy.model import Statement
from purposewatch_policy.remedy import Remedies
from purposewatch_policy.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Advice:
    """What would make a data category permitted, in one language."""

    title: str
    """What is to be changed: the event or the policy."""
    changes: tuple[str, ...]
    """All of them are needed; empty when no change helps."""
    conclusion: str | None
    """What follows from the changes, or why there are none."""


def advice_of(remedies: Remedies, vocabulary: Vocabulary, language: str) -> tuple[Advice, Advice]:
    """Put the remedies of one data category into words: that of the event, that of the policy."""
    texts = explanation_texts(language)
    grammar = LANGUAGES[language]

    def cited(statement: Statement) -> str:
        return texts("cited", statement=statement.id, clause=statement.clause)

    changes: tuple[str, ...] = ()
    if remedies.event is not None:
        changes = tuple(grammar.event_change(each, vocabulary) for each in remedies.event.changes)
        conclusion = texts("advice.then_permitted", statement=cited(remedies.event.statement))
    elif remedies.obstacle is not None:
        conclusion = texts("advice.prohibited", statement=cited(remedies.obstacle))
    else:
        conclusion = texts("advice.undeclared")
    event = Advice(texts("advice.event"), changes, conclusion)
    if remedies.policy is None:
        return event, Advice(texts("advice.policy"), (), texts("advice.no_permit"))
    changes = tuple(grammar.policy_change(each, vocabulary) for each in remedies.policy.changes)
    return event, Advice(texts("advice.policy"), changes, None)

"""Lengths of retention in words, the same in sentences, tables and advice."""

from functools import lru_cache

from purposewatch_policy.languages.catalogue import Texts
from purposewatch_policy.model import Effect, Statement


def retention_words(statement: Statement, texts: Texts) -> str:
    """Say which lengths a statement covers that restricts them."""
    shortest, longest = statement.retention_at_least, statement.retention_days
    if statement.effect is Effect.PROHIBIT and shortest is not None and longest is None:
        return texts("retention.more_than", days=texts.counted("report.days", shortest - 1))
    return span_words(shortest or 0, longest, texts)


@lru_cache(1024)
def span_words(shortest: int, longest: int | None, texts: Texts) -> str:
    """Say which lengths a span holds; `None` means open."""
    if longest is None:
        return texts("retention.at_least", days=texts.counted("report.days", shortest))
    days = texts.counted("report.days", longest)
    if not shortest:
        return texts("retention.at_most", days=days)
    return texts("retention.between", shortest=shortest, days=days)

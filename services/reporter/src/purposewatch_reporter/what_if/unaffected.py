"""Which recorded decisions another policy is sure to reach as well. Pure.

Most changes of a policy are about a few statements. What none of these is about is decided as it
was, and need not be decided again.
"""

from collections.abc import Iterable, Sequence

from purposewatch_policy import CompiledPolicy, Dimension


class Unaffected:
    """Knows the flows whose outcome and kinds a candidate leaves as they were."""

    def __init__(self, candidate: CompiledPolicy, before: Iterable[CompiledPolicy]) -> None:
        """`before` are the declared versions; decisions of any other policy are never sure."""
        self._changes = {
            each.digest: _Change(each, candidate)
            for each in before
            if each.vocabulary == candidate.vocabulary
        }

    def is_sure(
        self, digest: str | None, role: str, recipient: str, categories: Sequence[str]
    ) -> bool:
        """Whether a flow that the policy with this digest decided is decided likewise."""
        change = self._changes.get(digest or "")
        if change is None:
            return False
        for category in categories:  # noqa: SIM110 - a generator costs more than the rest
            if change.concerns(role, recipient, category):
                return False
        return True


class _Change:
    """What lies between two versions with the same vocabulary."""

    def __init__(self, before: CompiledPolicy, after: CompiledPolicy) -> None:
        self._both = (before, after)
        self._changed = (_not_in(before, after), _not_in(after, before))
        self._known: dict[tuple[str, str, str], bool] = {}

    def concerns(self, role: str, recipient: str, category: str) -> bool:
        """Whether outcome or kind of a flow may differ.

        INVARIANT: they follow from the statements that are about role, category and recipient, and
        from whether there are permits for the role, and for role and category, at all.
        """
        key = role, recipient, category
        found = self._known.get(key)
        if found is None:
            try:
                found = self._concerns(*key)
            except KeyError:  # a term outside the vocabulary
                found = True
            self._known[key] = found
        return found

    def _concerns(self, role: str, recipient: str, category: str) -> bool:
        terms = (
            (Dimension.ROLE, role),
            (Dimension.RECIPIENT, recipient),
            (Dimension.DATA_CATEGORY, category),
        )
        for compiled, changed in zip(self._both, self._changed, strict=True):
            about = changed
            for dimension, term in terms:
                about &= compiled.sets(dimension)[term] | compiled.overlaps.terms(dimension)[term]
            if about:
                return True
        before, after = (
            (bool(index.permits), bool(index.permits & index.category[category]))
            for index in [compiled.for_role[role] for compiled in self._both]
        )
        return before != after


def _not_in(one: CompiledPolicy, other: CompiledPolicy) -> int:
    """The statements of one version that the other does not have."""
    there = {each.id: each for each in other.policy.statements}
    return sum(
        1 << number
        for number, each in enumerate(one.policy.statements)
        if there.get(each.id) != each
    )

"""Checks what a statement leaves out of what it names: each exception must take something away."""

from collections.abc import Iterator

from purposewatch_policy.vocabulary import Taxonomy


def faulty_exceptions(
    named: tuple[str, ...] | None, excepted: tuple[str, ...], taxonomy: Taxonomy, *, permits: bool
) -> Iterator[str]:
    """Yield a message for each exception that takes nothing or a whole named term, or all together.

    `named` is `None` where the statement does not restrict the dimension.
    """
    known = [term for term in excepted if term in taxonomy]
    terms = None if named is None else [term for term in named if term in taxonomy]
    found = False
    for term in known:
        if terms is None:
            continue
        if taken := next((each for each in terms if taxonomy.covers(term, each)), None):
            found = True
            yield f"the exception `{term}` takes all of `{taken}`; remove one of the two"
        elif not any(taxonomy.covers(each, term) for each in terms):
            found = True
            yield f"`{term}` excepts nothing, since no {taxonomy.noun} above it is named; remove it"

    def is_left(term: str) -> bool:
        return (terms is None or any(taxonomy.covers(each, term) for each in terms)) and not any(
            taxonomy.covers(each, term) or (permits and taxonomy.covers(term, each))
            for each in known
        )

    if known and not found and not any(map(is_left, taxonomy)):
        yield "the exceptions leave nothing of what the statement names; narrow them"

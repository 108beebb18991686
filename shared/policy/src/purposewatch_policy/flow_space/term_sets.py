"""Says in few words which terms of a taxonomy a set holds."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from purposewatch_policy.vocabulary import Taxonomy


@dataclass(frozen=True, slots=True)
class Branch:
    """A term with what lies below it, except for some of that."""

    term: str
    without: tuple[str, ...] = ()
    """Left out, each with all that lies below it."""
    alone: bool = False
    """Whether nothing below the term belongs to it; `without` is empty then."""

    def __str__(self) -> str:
        if self.alone:
            return f"{self.term} itself"
        if self.without:
            return f"{self.term} except {', '.join(self.without)}"
        return self.term


@dataclass(frozen=True, slots=True)
class TermSet:
    """A set of terms, described by the highest terms that lie in it."""

    branches: tuple[Branch, ...]
    complement: bool = False
    """Whether the set is everything but the branches."""

    def __str__(self) -> str:
        listed = ", ".join(str(each) for each in self.branches)
        if not self.complement:
            return listed
        return f"any but {listed}" if listed else "any"


def describe(terms: Collection[str], taxonomy: Taxonomy) -> TermSet:
    """Describe the set by its branches, or by what it lacks if that is much shorter."""
    members = set(terms)
    inside = branches(members, taxonomy)
    outside = branches(set(taxonomy) - members, taxonomy)
    if _length(outside) * 2 < _length(inside) or len(members) == len(taxonomy):
        return TermSet(outside, complement=True)
    return TermSet(inside)


def branches(terms: Collection[str], taxonomy: Taxonomy) -> tuple[Branch, ...]:
    """Return the branches that together hold exactly these terms, in the taxonomy's order."""
    return tuple(_branches(_children_of(taxonomy), set(terms)))


def expand(described: Iterable[Branch], taxonomy: Taxonomy) -> frozenset[str]:
    """Return the terms that branches hold; undoes `branches`."""
    return frozenset(
        term
        for branch in described
        for term in taxonomy
        if (term == branch.term or not branch.alone)
        and taxonomy.covers(branch.term, term)
        and not any(taxonomy.covers(each, term) for each in branch.without)
    )


def _children_of(taxonomy: Taxonomy) -> Mapping[str | None, list[str]]:
    """Return the terms right below each term, in the taxonomy's order; `None` has the roots."""
    children: dict[str | None, list[str]] = {None: []}
    for term, entry in taxonomy.items():
        children.setdefault(entry.parent, []).append(term)
    return children


def _branches(
    children: Mapping[str | None, list[str]], members: set[str], below: str | None = None
) -> Iterator[Branch]:
    """Yield the branches below a term that is not in the set."""
    for term in children.get(below, ()):
        if term not in members:
            yield from _branches(children, members, term)
            continue
        gaps = list(_gaps(children, members, term))
        if gaps and not any(child in members for child in children[term]):
            yield Branch(term, alone=True)
        else:
            yield Branch(term, tuple(gaps))
        for gap in gaps:
            yield from _branches(children, members, gap)


def _length(branches: tuple[Branch, ...]) -> int:
    return sum(1 + len(each.without) for each in branches)


def _gaps(children: Mapping[str | None, list[str]], members: set[str], below: str) -> Iterator[str]:
    """Yield the highest terms below a member that are not in the set."""
    for term in children.get(below, ()):
        if term in members:
            yield from _gaps(children, members, term)
        else:
            yield term

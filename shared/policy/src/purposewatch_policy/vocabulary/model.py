"""Terms, their ancestors and labels: immutable, without I/O."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import StrEnum
from types import MappingProxyType

from purposewatch_policy.decision import DIMENSION_FIELDS, Dimension

FIRST_PARTY = "first_party"
"""The recipient root for the controller itself. All other recipients are outside of it."""

PUBLIC = "public"
"""The recipient for disclosure to everybody."""

OTHER_PERSON = "other_person"
"""The role, in a vocabulary that has it, for people whom the policy does not speak of."""


NOUNS: Mapping[str, str] = MappingProxyType(
    {
        "roles": "role",
        "data_categories": "data category",
        "operations": "operation",
        "purposes": "purpose",
        "recipients": "recipient",
        "sources": "source",
        "locations": "location",
        "legal_bases": "legal basis",
        "facts": "fact",
    }
)
"""What one term is called, by the name of its dimension in vocabulary files."""


class Authority(StrEnum):
    """Whose word counts about a fact."""

    PUBLISHER = "publisher"
    """That of whoever publishes the event."""
    LEDGER = "ledger"
    """That of the systems that may state it; what an event claims does not count."""


@dataclass(frozen=True, slots=True)
class TermEntry:
    """What the vocabulary says about one term."""

    term: str
    parent: str | None = None
    label: Mapping[str, str] = field(default_factory=dict)
    """Labels by language tag."""
    synonyms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Other words for it by language tag, by which a search finds it."""
    description: Mapping[str, str] = field(default_factory=dict)
    """When to take this term, and when another one, by language tag."""
    iri: str | None = None
    """The matching concept of the W3C Data Privacy Vocabulary."""
    sensitive: bool = False
    about_others: bool = False
    """On a data category: it is about persons other than the data subject."""
    public: bool = False
    """On a recipient: disclosing to it amounts to disclosing to the public."""
    authority: Authority = Authority.PUBLISHER
    """Of a fact alone."""
    stated_by: Mapping[str, str] = field(default_factory=dict)
    """Who states the fact, in one sentence by language tag. INVARIANT: set for a ledger's facts."""


class Taxonomy(Mapping[str, TermEntry]):
    """The terms of one dimension and what lies above each of them.

    INVARIANT: every parent is a term of the same taxonomy, and no term is its own ancestor.
    """

    __slots__ = ("_entries", "_lineages", "noun")

    def __init__(self, noun: str, entries: Mapping[str, TermEntry]) -> None:
        """Take terms by name. Raises `ValueError` when the invariant does not hold."""
        self.noun = noun
        self._entries = MappingProxyType(dict(entries))
        self._lineages = {term: self._climb(term) for term in self._entries}

    @classmethod
    def of(cls, noun: str, *terms: str) -> "Taxonomy":
        """Make a taxonomy of bare terms, each below its dotted prefix unless they are facts."""
        flat = noun == NOUNS["facts"]
        return cls(
            noun, {term: TermEntry(term, None if flat else implied_parent(term)) for term in terms}
        )

    def __getitem__(self, term: str) -> TermEntry:
        return self._entries[term]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, term: object) -> bool:
        return term in self._entries

    def lineage(self, term: str) -> tuple[str, ...]:
        """Return the term, its parent, and so on up to its root. Raises `KeyError`."""
        return self._lineages[term]

    def covers(self, general: str, specific: str) -> bool:
        """Whether `general` is `specific` or one of its ancestors."""
        return general in self._lineages[specific]

    def closest(self, word: str) -> str | None:
        """Return the term most similar to a misspelt word, if one is similar enough."""
        close = get_close_matches(word, self._entries, n=1)
        return close[0] if close else None

    def label(self, term: str, language: str = "en") -> str:
        """Return the label in a language, else in English, else the term itself."""
        label = self._entries[term].label
        return label.get(language) or label.get("en") or term

    def is_sensitive(self, term: str) -> bool:
        """Whether the term or one of its ancestors is marked as sensitive."""
        return any(self._entries[each].sensitive for each in self._lineages[term])

    def is_about_others(self, term: str) -> bool:
        """Whether the term or one of its ancestors is marked as data about other persons."""
        return any(self._entries[each].about_others for each in self._lineages[term])

    def is_public(self, term: str) -> bool:
        """Whether the recipient or one of its ancestors is the public or is marked as public."""
        return any(each == PUBLIC or self._entries[each].public for each in self._lineages[term])

    def canonical(self) -> dict[str, object]:
        """Return the content as JSON values that do not depend on the order of declaration."""
        return {term: _canonical(entry) for term, entry in sorted(self._entries.items())}

    def _climb(self, term: str) -> tuple[str, ...]:
        lineage = [term]
        while (parent := self._entries[lineage[-1]].parent) is not None:
            if parent not in self._entries:
                message = (
                    f"`{parent}`, the parent of `{lineage[-1]}`, is not {with_article(self.noun)}"
                )
                raise ValueError(message)
            if parent in lineage:
                message = f"the {self.noun} `{term}` is its own ancestor"
                raise ValueError(message)
            lineage.append(parent)
        return tuple(lineage)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The terms in which one controller's policy and events are written, by dimension."""

    roles: Taxonomy
    data_categories: Taxonomy
    operations: Taxonomy
    purposes: Taxonomy
    recipients: Taxonomy
    sources: Taxonomy
    locations: Taxonomy
    legal_bases: Taxonomy
    facts: Taxonomy
    """Facts are matched exactly: they have no hierarchy."""

    @classmethod
    def of(cls, **terms: Iterable[str]) -> "Vocabulary":
        """Make a vocabulary of bare terms, for example `Vocabulary.of(roles=["member"])`."""
        if unknown := terms.keys() - NOUNS.keys():
            message = f"unknown dimensions: {unknown}"
            raise TypeError(message)
        return cls(
            **{name: Taxonomy.of(noun, *terms.get(name, ())) for name, noun in NOUNS.items()}
        )

    def taxonomies(self) -> dict[str, Taxonomy]:
        """Return the taxonomies by the name that vocabulary files give them."""
        return {name: getattr(self, name) for name in NOUNS}

    def taxonomy(self, dimension: Dimension) -> Taxonomy:
        """Return the terms of a dimension, or the facts. Raises `KeyError` for the retention."""
        name = DIMENSION_FIELDS[dimension]
        if name not in NOUNS:
            raise KeyError(dimension)
        taxonomy: Taxonomy = getattr(self, name)
        return taxonomy

    @property
    def ledger_facts(self) -> frozenset[str]:
        """The facts about which the ledger's word counts, and an event's does not."""
        return frozenset(
            fact for fact, entry in self.facts.items() if entry.authority is Authority.LEDGER
        )

    def stated_by(self, fact: str, language: str) -> str | None:
        """Return who states a fact of the ledger; `None` for one that publishers state."""
        entry = self.facts.get(fact)
        if entry is None or entry.authority is not Authority.LEDGER:
            return None
        return entry.stated_by.get(language) or next(iter(entry.stated_by.values()), "")

    def canonical(self) -> dict[str, object]:
        """Return the content as JSON values, equal for equal vocabularies."""
        return {name: taxonomy.canonical() for name, taxonomy in self.taxonomies().items()}


def _canonical(entry: TermEntry) -> dict[str, object]:
    # neither decisions nor explanations depend on synonyms and descriptions
    content: dict[str, object] = {
        "parent": entry.parent,
        "label": dict(sorted(entry.label.items())),
        "iri": entry.iri,
        "sensitive": entry.sensitive,
    }
    # left out unless set, so that the digests of policies without them stay what they were
    content.update((name, True) for name in ("about_others", "public") if getattr(entry, name))
    if entry.authority is not Authority.PUBLISHER:
        content["authority"] = entry.authority
    if entry.stated_by:
        content["stated_by"] = dict(sorted(entry.stated_by.items()))
    return content


def with_article(noun: str) -> str:
    """Return a noun with its indefinite article."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def implied_parent(term: str) -> str | None:
    """Return the dotted prefix of a term, or `None` for a term without a dot."""
    prefix, dot, _ = term.rpartition(".")
    return prefix if dot else None

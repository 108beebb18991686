"""Checks a mapping against the vocabularies, and for accesses that could never be published."""

from collections.abc import Iterator
from collections.abc import Mapping as ReadOnlyMapping

from purposewatch_connect.mapping.model import Mapping, Rule, TermUse
from purposewatch_policy import Vocabulary
from purposewatch_policy.vocabulary import NOUNS
from purposewatch_policy.yaml_reader import SourceError, did_you_mean


def lint_mapping(
    mapping: Mapping, vocabularies: ReadOnlyMapping[str, Vocabulary]
) -> tuple[SourceError, ...]:
    """Return every fault, in reading order.

    A term is looked up in the vocabulary of the rule's own controller, else of the default one,
    else of every controller that the file names.
    """
    return tuple(
        sorted(
            {
                *_unknown_controllers(mapping, vocabularies),
                *_unknown_terms(mapping, vocabularies),
                *_never_complete(mapping),
            }
        )
    )


def _all_rules(mapping: Mapping) -> tuple[Rule, ...]:
    return (mapping.defaults, *mapping.rules)


def _unknown_controllers(
    mapping: Mapping, vocabularies: ReadOnlyMapping[str, Vocabulary]
) -> Iterator[SourceError]:
    for rule in _all_rules(mapping):
        name = rule.terms.controller
        if name is not None and name not in vocabularies:
            hint = did_you_mean(name, vocabularies) or "; name one that has a declared policy"
            yield rule.at.error(f"`{name}` is an unknown controller{hint}")


def _unknown_terms(
    mapping: Mapping, vocabularies: ReadOnlyMapping[str, Vocabulary]
) -> Iterator[SourceError]:
    named = {rule.terms.controller for rule in _all_rules(mapping)} - {None}
    for use in mapping.term_uses:
        own = use.controller or mapping.defaults.terms.controller
        names = [own] if own is not None else sorted(filter(None, named)) or list(vocabularies)
        candidates = [vocabularies[name] for name in names if name in vocabularies]
        if candidates and not any(
            use.term in vocabulary.taxonomies()[use.dimension] for vocabulary in candidates
        ):
            yield _unknown_term(use, candidates)


def _unknown_term(use: TermUse, candidates: list[Vocabulary]) -> SourceError:
    terms = [term for each in candidates for term in each.taxonomies()[use.dimension]]
    noun = NOUNS[use.dimension]
    hint = did_you_mean(use.term, terms) or "; look it up with `purposewatch vocabulary search`"
    return use.at.error(f"`{use.term}` is an unknown {noun}{hint}")


def _never_complete(mapping: Mapping) -> Iterator[SourceError]:
    """Datasets and hosts of which no access could say what an event has to say.

    Attributes and services may complete them, so this is a fault only where no rule does.
    """
    others = [mapping.defaults, *(rule for _, rule in mapping.services)]
    others += [rule for table in mapping.attributes.values() for _, rule in table]
    for rule in (rule for table in (mapping.datasets, mapping.hosts) for _, rule in table):
        if rule.personal and not any(each.subject for each in (rule, *others)):
            yield rule.at.error(
                "no rule says where the data subject is found; add `subject` here or in `defaults`"
            )

"""What is written around a policy's own terms, in the languages that it is shown in."""

from collections.abc import Iterable

from purposewatch_cli.policy.show.matrix import Column, Mark
from purposewatch_policy import CompiledPolicy, Dimension, Mode, Policy, Statement
from purposewatch_policy.flow_space import Branch
from purposewatch_policy.languages import Texts, explanation_texts, retention_words
from purposewatch_policy.vocabulary import Taxonomy

_OF_PROHIBITIONS = (
    Dimension.OPERATION,
    Dimension.DATA_CATEGORY,
    Dimension.PURPOSE,
    Dimension.RECIPIENT,
)

LETTERS = {"collect": "C", "use": "U", "store": "K", "share": "S", "erase": "E"}
"""Roots of the operations in a cell; another root is written out."""


class Wording:
    """Puts the parts of one policy into the words of one language."""

    def __init__(self, compiled: CompiledPolicy, language: str) -> None:
        self.compiled = compiled
        self.language = language
        self.words = Texts("purposewatch_cli.policy.show", language)

    def title(self) -> str:
        """Return the policy's title, else its controller."""
        policy = self.compiled.policy
        return self.words.pick(policy.title) or policy.controller

    def edition(self) -> str:
        """Return version and start in one line, and whether something is in shadow mode."""
        policy: Policy = self.compiled.policy
        begins = policy.in_force_from.isoformat(sep=" ", timespec="minutes")
        parts = [
            self.words("version", version=policy.version),
            self.words("in_force", begins=begins),
        ]
        if policy.mode is Mode.SHADOW:
            parts.append(self.words("shadow.version"))
        if policy.shadow_statements:
            tried = (each.id for each in policy.shadow_statements.values())
            listed = self.words("joint").join(tried)
            parts.append(self.words("shadow.statements", statements=listed))
        return " · ".join(parts)

    def branch(self, branch: Branch, taxonomy: Taxonomy) -> str:
        """Return the label of a term, with what is left out below it."""
        label = taxonomy.label(branch.term, self.language)
        if branch.alone:
            return self.words("itself", term=label)
        if branch.without:
            gaps = [taxonomy.label(each, self.language) for each in branch.without]
            return self.words("without", term=label, left_out=self.words("joint").join(gaps))
        return label

    def branches(self, branches: Iterable[Branch], taxonomy: Taxonomy) -> str:
        """Return the labels of terms in one line."""
        return self.words("joint").join(self.branch(each, taxonomy) for each in branches)

    def column(self, column: Column) -> str:
        """Return a column's name: that of its defined terms, else its categories'."""
        if not column.defined_terms:
            return self.branches(column.terms, self.compiled.vocabulary.data_categories)
        defined = self.compiled.policy.defined_terms
        labels = [self.words.pick(defined[name].label) or name for name in column.defined_terms]
        return self.words("joint").join(labels)

    def marks(self, marks: Iterable[Mark]) -> str:
        """Return the contents of a cell."""
        return "".join(self._mark(each) for each in marks)

    def _mark(self, mark: Mark) -> str:
        letter = LETTERS.get(mark.operation) or f"[{mark.operation}]"
        return (letter.lower() if mark.conditional else letter) + "~" * mark.partly

    def categories(self, number: int) -> str:
        """Return how many kinds of data there are."""
        return self.words.counted("categories", number)

    def purposes(self, number: int) -> str:
        """Return how many purposes there are."""
        return self.words.counted("purposes", number)

    def conditions(self, statements: Iterable[Statement]) -> tuple[str, ...]:
        """Return the facts that some of the statements depend on."""
        facts = self.compiled.vocabulary.facts
        listed: dict[str, None] = {}
        for statement in statements:
            for fact in statement.when:
                listed[self.words("holds", fact=facts.label(fact, self.language))] = None
            for fact in statement.unless:
                listed[self.words("holds_not", fact=facts.label(fact, self.language))] = None
        return tuple(listed)

    def prohibition(self, statement: Statement) -> str:
        """Return what a prohibition is about, in one line."""
        parts = [self._terms(statement, each) for each in _OF_PROHIBITIONS]
        parts = [each for each in parts if each]
        if statement.limits_retention:
            parts.append(retention_words(statement, explanation_texts(self.language)))
        if conditions := self.conditions([statement]):
            parts.append(f"{self.words('condition')}: {'; '.join(conditions)}")
        return " · ".join(parts)

    def _terms(self, statement: Statement, dimension: Dimension) -> str:
        """Return what a statement names in a dimension, and leaves out of that."""
        taxonomy = self.compiled.vocabulary.taxonomy(dimension)
        named, excepted = (
            self.words("joint").join(taxonomy.label(each, self.language) for each in terms)
            for terms in (statement.terms(dimension) or (), statement.excepted(dimension))
        )
        if not excepted:
            return named
        return self.words("without", term=named or self.words("any"), left_out=excepted)


def clauses(statements: Iterable[Statement]) -> str:
    """Return the distinct clauses of statements, in order."""
    return ", ".join(dict.fromkeys(each.clause for each in statements))


def clauses_by_section(statements: Iterable[Statement]) -> str:
    """Return the same in less room, each section once: `use 1, 2; sharing 6`."""
    sections: dict[str, dict[str, None]] = {}
    for each in statements:
        section, _, item = each.clause.partition(".")
        sections.setdefault(section, {})[item] = None
    return "; ".join(f"{section} {', '.join(items)}" for section, items in sections.items())

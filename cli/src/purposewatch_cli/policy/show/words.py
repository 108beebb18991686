"""What is written around a policy's own terms, in the languages that it is shown in."""

# ruff: noqa: RUF001 - the punctuation of Chinese

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from purposewatch_cli.policy.show.matrix import Column, Mark
from purposewatch_policy import CompiledPolicy, Policy, Statement
from purposewatch_policy.flow_space import Branch
from purposewatch_policy.vocabulary import Taxonomy


class Language(StrEnum):
    """What labels and headings are written in."""

    EN = "en"
    ZH = "zh"


LETTERS = {"collect": "C", "use": "U", "store": "K", "share": "S", "erase": "E"}
"""Roots of the operations in a cell; another root is written out."""


@dataclass(frozen=True, slots=True)
class Words:
    """Headings and turns of phrase in one language."""

    version: str
    in_force: str
    data: str
    purpose: str
    recipient: str
    condition: str
    clauses: str
    legend: str
    nothing: str
    prohibited: str
    itself: str
    without: str
    joint: str
    holds: str
    holds_not: str
    outside: str
    whose: str
    what_for: str
    to_whom: str
    strands: str
    category_count: str
    categories: str
    sensitive: str
    purpose_count: str
    purposes: str
    kinds: str
    no_statement: str
    picture: str


WORDS: Mapping[Language, Words] = {
    Language.EN: Words(
        version="version {}",
        in_force="in force from {}",
        data="data",
        purpose="purpose",
        recipient="recipient",
        condition="depends on",
        clauses="clause",
        legend=(
            "C collect, U use, K keep (store), S share, E erase; small letter: only if facts "
            "hold, such as consent; ~: only in a special form. A line or column holds what lies "
            "below its term, unless that has its own."
        ),
        nothing="nothing is permitted",
        prohibited="prohibited",
        itself="{} itself",
        without="{} (without {})",
        joint=", ",
        holds="{}",
        holds_not="not: {}",
        outside="Outside the controller",
        whose="Whose data",
        what_for="For what",
        to_whom="To whom",
        strands=(
            "solid: always permitted · dashed: only on a condition · thicker: more kinds of data"
        ),
        category_count="{} kind of data",
        categories="{} kinds of data",
        sensitive="{} sensitive",
        purpose_count="{} purpose",
        purposes="{} purposes",
        kinds="{} ({} kinds)",
        no_statement="no statement",
        picture="Whose data go where for what",
    ),
    Language.ZH: Words(
        version="版本 {}",
        in_force="自 {} 起生效",
        data="数据",
        purpose="目的",
        recipient="接收方",
        condition="取决于",
        clauses="条款",
        legend=(
            "C 收集，U 使用，K 存储，S 共享，E 删除；小写：仅当某些事实成立（例如同意）；"
            "~：仅限其中某种形式。"
            "每行每列包含其下级用语，除非该用语另有一行或一列。"
        ),
        nothing="没有任何允许",
        prohibited="禁止",
        itself="{}本身",
        without="{}（不含{}）",
        joint="、",
        holds="{}",
        holds_not="非：{}",
        outside="控制者之外",
        whose="谁的数据",
        what_for="用于什么",
        to_whom="交给谁",
        strands="实线：始终允许 · 虚线：仅在满足条件时 · 越粗：数据种类越多",
        category_count="{} 类数据",
        categories="{} 类数据",
        sensitive="其中敏感 {} 类",
        purpose_count="{} 项目的",
        purposes="{} 项目的",
        kinds="{}（{} 种）",
        no_statement="没有条款",
        picture="谁的数据为何目的交给谁",
    ),
}


class Wording:
    """Puts the parts of one policy into the words of one language."""

    def __init__(self, compiled: CompiledPolicy, language: Language) -> None:
        self.compiled = compiled
        self.language = language
        self.words = WORDS[language]

    def title(self) -> str:
        """Return the policy's title, else its controller."""
        policy = self.compiled.policy
        return _label(policy.title, self.language) or policy.controller

    def edition(self) -> str:
        """Return version and start in one line."""
        policy: Policy = self.compiled.policy
        begins = policy.in_force_from.isoformat(sep=" ", timespec="minutes")
        parts = (self.words.version.format(policy.version), self.words.in_force.format(begins))
        return " · ".join(parts)

    def branch(self, branch: Branch, taxonomy: Taxonomy) -> str:
        """Return the label of a term, with what is left out below it."""
        label = taxonomy.label(branch.term, self.language)
        if branch.alone:
            return self.words.itself.format(label)
        if branch.without:
            gaps = [taxonomy.label(each, self.language) for each in branch.without]
            return self.words.without.format(label, self.words.joint.join(gaps))
        return label

    def branches(self, branches: Iterable[Branch], taxonomy: Taxonomy) -> str:
        """Return the labels of terms in one line."""
        return self.words.joint.join(self.branch(each, taxonomy) for each in branches)

    def column(self, column: Column) -> str:
        """Return a column's name: that of its defined terms, else its categories'."""
        if not column.defined_terms:
            return self.branches(column.terms, self.compiled.vocabulary.data_categories)
        defined = self.compiled.policy.defined_terms
        labels = [
            _label(defined[name].label, self.language) or name for name in column.defined_terms
        ]
        return self.words.joint.join(labels)

    def marks(self, marks: Iterable[Mark]) -> str:
        """Return the contents of a cell."""
        return "".join(self._mark(each) for each in marks)

    def _mark(self, mark: Mark) -> str:
        letter = LETTERS.get(mark.operation) or f"[{mark.operation}]"
        return (letter.lower() if mark.conditional else letter) + "~" * mark.partly

    def categories(self, number: int) -> str:
        """Return how many kinds of data there are."""
        words = self.words
        return (words.category_count if number == 1 else words.categories).format(number)

    def purposes(self, number: int) -> str:
        """Return how many purposes there are."""
        words = self.words
        return (words.purpose_count if number == 1 else words.purposes).format(number)

    def conditions(self, statements: Iterable[Statement]) -> tuple[str, ...]:
        """Return the facts that some of the statements depend on."""
        facts = self.compiled.vocabulary.facts
        listed: dict[str, None] = {}
        for statement in statements:
            for fact in statement.when:
                listed[self.words.holds.format(facts.label(fact, self.language))] = None
            for fact in statement.unless:
                listed[self.words.holds_not.format(facts.label(fact, self.language))] = None
        return tuple(listed)

    def prohibition(self, statement: Statement) -> str:
        """Return what a prohibition is about, in one line."""
        vocabulary = self.compiled.vocabulary
        parts = [
            self._terms(statement.operations, vocabulary.operations),
            self._terms(statement.data_categories, vocabulary.data_categories),
        ]
        if statement.purposes:
            parts.append(self._terms(statement.purposes, vocabulary.purposes))
        if statement.recipients:
            parts.append(self._terms(statement.recipients, vocabulary.recipients))
        if conditions := self.conditions([statement]):
            parts.append(f"{self.words.condition}: {'; '.join(conditions)}")
        return " · ".join(parts)

    def _terms(self, terms: Iterable[str], taxonomy: Taxonomy) -> str:
        return self.words.joint.join(taxonomy.label(each, self.language) for each in terms)


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


def _label(labels: Mapping[str, str], language: Language) -> str:
    return labels.get(language) or labels.get("en") or ""

"""CEL in process: Google's C++ runtime, as `cel-expr-python` binds it."""

import json
from collections.abc import Iterable
from typing import cast

from cel_expr_python import cel

from bench.core.engines.engine import as_document, covered_terms, legal_bases_covered
from purposewatch_policy import CompiledPolicy, Effect, PolicySet, Statement
from purposewatch_policy.vocabulary import FlowTerms, Taxonomy, Vocabulary

_TEXT = cel.Type.STRING
_VARIABLES = {
    "role": _TEXT,
    "operation": _TEXT,
    "purpose": _TEXT,
    "recipient": _TEXT,
    "source": _TEXT,
    "location": _TEXT,
    "legal_basis": _TEXT,
    "retention_days": cel.Type.INT,
    "facts": cel.Type.Map(_TEXT, cel.Type.BOOL),
    "data_categories": cel.Type.List(_TEXT),
}


class Cel:
    """Holds the whole policy as one expression about all categories of a flow."""

    name = "CEL (cel-expr-python)"
    answers = "yes or no"

    def __init__(self, policies: PolicySet, controller: str) -> None:
        compiled = policies.versions(controller)[-1]
        env = cel.NewEnv(variables=_VARIABLES)
        self._activation = env.Activation
        by_role = [
            f"role == {json.dumps(role)} && ({_expression(statements, compiled.vocabulary)})"
            for role, statements in _by_role(compiled).items()
        ]
        self._program = env.compile(f"data_categories.all(category, {_any(by_role)})")

    def prepare(self, flow: FlowTerms) -> object:
        """The flow's terms as variables."""
        return self._activation(as_document(flow))

    def permits(self, prepared: object) -> bool:
        """Evaluate the expression."""
        return self._program.eval(cast("cel.Activation", prepared)).value() is True


class CelByHand:
    """Holds a program for each role and data category, and picks those that a flow needs.

    The engine then sees few statements at a time, but it is Python that keeps the policy.
    """

    name = "CEL, programs picked in Python"
    answers = "yes or no"

    def __init__(self, policies: PolicySet, controller: str) -> None:
        compiled = policies.versions(controller)[-1]
        vocabulary = compiled.vocabulary
        env = cel.NewEnv(variables=_VARIABLES)
        self._activation = env.Activation
        compiled_once: dict[str, cel.Expression] = {}
        self._programs: dict[tuple[str, str], cel.Expression] = {}
        for role, statements in _by_role(compiled).items():
            for category in vocabulary.data_categories:
                source = _expression(
                    [each for each in statements if _names(each, category, vocabulary)],
                    vocabulary,
                    categories=False,
                )
                if source not in compiled_once:
                    compiled_once[source] = env.compile(source)
                self._programs[role, category] = compiled_once[source]

    def prepare(self, flow: FlowTerms) -> object:
        """The flow's programs, and its terms as variables."""
        programs = [self._programs[flow.role, category] for category in flow.data_categories]
        return programs, self._activation(as_document(flow))

    def permits(self, prepared: object) -> bool:
        """Evaluate the program of each category."""
        programs, activation = cast("tuple[list[cel.Expression], cel.Activation]", prepared)
        return all(program.eval(activation).value() is True for program in programs)


def _by_role(compiled: CompiledPolicy) -> dict[str, list[Statement]]:
    roles = compiled.vocabulary.roles
    return {
        role: [
            each
            for each in compiled.statements
            if each.roles is None or any(roles.covers(named, role) for named in each.roles)
        ]
        for role in roles
    }


def _names(statement: Statement, category: str, vocabulary: Vocabulary) -> bool:
    covers = vocabulary.data_categories.covers
    return any(covers(named, category) for named in statement.data_categories)


def _expression(
    statements: Iterable[Statement], vocabulary: Vocabulary, *, categories: bool = True
) -> str:
    by_effect: dict[Effect, list[str]] = {effect: [] for effect in Effect}
    for each in statements:
        by_effect[each.effect].append(_covers(each, vocabulary, categories=categories))
    permitted = _any(by_effect[Effect.PERMIT])
    if not by_effect[Effect.PROHIBIT]:
        return permitted
    return f"({permitted}) && !({_any(by_effect[Effect.PROHIBIT])})"


def _any(tests: list[str]) -> str:
    return " || ".join(f"({each})" for each in tests) or "false"


def _covers(statement: Statement, vocabulary: Vocabulary, *, categories: bool) -> str:
    """Test what the statement restricts, and nothing else."""
    dimensions: tuple[tuple[str, Taxonomy, tuple[str, ...] | None], ...] = (
        ("category", vocabulary.data_categories, statement.data_categories if categories else None),
        ("purpose", vocabulary.purposes, statement.purposes),
        ("recipient", vocabulary.recipients, statement.recipients),
        ("operation", vocabulary.operations, statement.operations),
        ("source", vocabulary.sources, statement.sources),
        ("location", vocabulary.locations, statement.locations),
    )
    tests = [
        _in(variable, covered_terms(taxonomy, named))
        for variable, taxonomy, named in dimensions
        if named is not None
    ]
    if statement.legal_bases is not None:
        tests.append(_in("legal_basis", legal_bases_covered(statement, vocabulary.legal_bases)))
    if statement.retention_days is not None:
        tests.append(f"retention_days <= {statement.retention_days}")
    tests += [_holds(fact) for fact in statement.when]
    tests += [f"!{_holds(fact)}" for fact in statement.unless]
    return " && ".join(tests)


def _in(variable: str, terms: tuple[str, ...]) -> str:
    if len(terms) == 1:
        return f"{variable} == {json.dumps(terms[0])}"
    return f"{variable} in {json.dumps(terms)}"


def _holds(fact: str) -> str:
    return f"({json.dumps(fact)} in facts && facts[{json.dumps(fact)}])"

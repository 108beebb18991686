"""Rego in process: regorus, as the package `opa-eval` binds it."""

import json
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import cast

import opa_eval

from bench.core.engines.engine import as_document, covered_terms, statement_document
from purposewatch_policy import Effect, PolicySet, Statement
from purposewatch_policy.vocabulary import FlowTerms, Vocabulary

_RULES = """\
package purposewatch

import rego.v1

default permitted := false

permitted if { every category in input.data_categories { declared(category) } }
"""

# Spelt out in each rule, because regorus takes far longer over a function of the statement.
_COVERS = """\
  statement.purposes[input.purpose]
  statement.recipients[input.recipient]
  statement.operations[input.operation]
  statement.sources[input.source]
  statement.locations[input.location]
  statement.legal_bases[input.legal_basis]
  input.retention_days <= statement.retention_days
  every fact in statement.when { input.facts[fact] }
  every fact in statement.unless { not input.facts[fact] }
}
"""

_DECLARED = """
declared(category) if {
  some statement in data.permits[input.role][category]
"""

_PROHIBITED = """
prohibited(category) if {
  some statement in data.prohibits[input.role][category]
"""


class Rego:
    """Looks statements up by role and data category in its data, ancestors folded in."""

    name = "Rego (opa-eval)"
    answers = "yes or no"

    def __init__(self, policies: PolicySet, controller: str) -> None:
        compiled = policies.versions(controller)[-1]
        data = {
            "permits": _indexed(compiled.statements, Effect.PERMIT, compiled.vocabulary),
            "prohibits": _indexed(compiled.statements, Effect.PROHIBIT, compiled.vocabulary),
        }
        declared = _DECLARED + _COVERS
        if data["prohibits"]:
            declared = declared.removesuffix("}\n") + "  not prohibited(category)\n}\n"
            declared += _PROHIBITED + _COVERS
        with tempfile.TemporaryDirectory() as directory:
            rules = Path(directory) / "purposewatch.rego"
            rules.write_text(_RULES + declared, encoding="utf-8")
            self._evaluator = opa_eval.OpaEval(
                str(rules), data_json=json.dumps(data), query="data.purposewatch.permitted"
            )

    def prepare(self, flow: FlowTerms) -> object:
        """The flow as JSON text."""
        return json.dumps(as_document(flow))

    def permits(self, prepared: object) -> bool:
        """Evaluate the rule."""
        return self._evaluator.evaluate_parsed(cast("str", prepared)) is True


def _indexed(
    statements: Iterable[Statement], effect: Effect, vocabulary: Vocabulary
) -> dict[str, dict[str, list[object]]]:
    index: dict[str, dict[str, list[object]]] = {}
    for statement in statements:
        if statement.effect is effect:
            document = statement_document(statement, vocabulary)
            for role in covered_terms(vocabulary.roles, statement.roles):
                cells = index.setdefault(role, {})
                named = statement.data_categories
                for category in covered_terms(vocabulary.data_categories, named):
                    cells.setdefault(category, []).append(document)
    return index

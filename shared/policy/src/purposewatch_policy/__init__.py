"""Decides and explains flows of personal data against declared policies, and finds remedies.

A library of pure functions: no broker, clock, log or database. This package holds what deciding
needs; beside it are the public packages `vocabulary`, `yaml_reader`, `files`, `languages`,
`flow_space`, `flow_map`, `lint`, `diff` and `cases`. Nothing else is meant to be imported from
outside.
"""

import purposewatch_policy.native  # noqa: F401 - before any module that may be compiled
from purposewatch_policy.advice import Advice
from purposewatch_policy.bounded_cache import BoundedCache
from purposewatch_policy.cached_decider import CachedDecider, DecisionCache
from purposewatch_policy.change import Action, EventChange, PolicyChange, change_flow, change_policy
from purposewatch_policy.compile import CompiledPolicy
from purposewatch_policy.decide import decide, decide_under
from purposewatch_policy.decision import (
    CategoryDecision,
    Decision,
    Dimension,
    FailedDimension,
    Grade,
    Kind,
    Outcome,
)
from purposewatch_policy.explanation import (
    CategoryExplanation,
    Comparison,
    Explanation,
    Hint,
    Named,
    explain,
)
from purposewatch_policy.explanation_json import explanation_as_json, pointer_to
from purposewatch_policy.fact_ledger import LedgerValues, relevant_facts
from purposewatch_policy.fact_statement import (
    FactStatement,
    statement_digest,
    statement_in_force,
)
from purposewatch_policy.files import StatedFacts, load_policies, load_stated_facts
from purposewatch_policy.flow import (
    CONTROLLER_PATTERN,
    MAX_DATA_CATEGORIES,
    MAX_FACTS,
    MAX_RETENTION_DAYS,
    TERM_PATTERN,
    Controller,
    Flow,
    Term,
)
from purposewatch_policy.model import AcceptedFinding, DefinedTerm, Effect, Mode, Policy, Statement
from purposewatch_policy.native import ENGINE
from purposewatch_policy.policy_set import PolicySet
from purposewatch_policy.remedy import EventRemedy, PolicyRemedy, Remedies, find_remedies
from purposewatch_policy.sentence import sentence as decision_sentence
from purposewatch_policy.shadow import (
    SHADOW_SUFFIX,
    Candidate,
    compile_candidate,
    with_shadow_statements,
)
from purposewatch_policy.term_usage import TermUsage, UsedTerms
from purposewatch_policy.vocabulary import FlowTerms, Vocabulary
from purposewatch_policy.yaml_reader import InvalidSourceError

__all__ = [
    "CONTROLLER_PATTERN",
    "ENGINE",
    "MAX_DATA_CATEGORIES",
    "MAX_FACTS",
    "MAX_RETENTION_DAYS",
    "SHADOW_SUFFIX",
    "TERM_PATTERN",
    "AcceptedFinding",
    "Action",
    "Advice",
    "BoundedCache",
    "CachedDecider",
    "Candidate",
    "CategoryDecision",
    "CategoryExplanation",
    "Comparison",
    "CompiledPolicy",
    "Controller",
    "Decision",
    "DecisionCache",
    "DefinedTerm",
    "Dimension",
    "Effect",
    "EventChange",
    "EventRemedy",
    "Explanation",
    "FactStatement",
    "FailedDimension",
    "Flow",
    "FlowTerms",
    "Grade",
    "Hint",
    "InvalidSourceError",
    "Kind",
    "LedgerValues",
    "Mode",
    "Named",
    "Outcome",
    "Policy",
    "PolicyChange",
    "PolicyRemedy",
    "PolicySet",
    "Remedies",
    "StatedFacts",
    "Statement",
    "Term",
    "TermUsage",
    "UsedTerms",
    "Vocabulary",
    "change_flow",
    "change_policy",
    "compile_candidate",
    "decide",
    "decide_under",
    "decision_sentence",
    "explain",
    "explanation_as_json",
    "find_remedies",
    "load_policies",
    "load_stated_facts",
    "pointer_to",
    "relevant_facts",
    "statement_digest",
    "statement_in_force",
    "with_shadow_statements",
]

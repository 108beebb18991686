"""Runs the cases of one controller."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from purposewatch_policy.cases.coverage import Coverage, measure
from purposewatch_policy.cases.read import Case, Mismatch, deciding_category, load_cases, mismatches
from purposewatch_policy.compile import CompiledPolicy
from purposewatch_policy.decision import Decision
from purposewatch_policy.files.directory import LoadedController
from purposewatch_policy.flow import Flow
from purposewatch_policy.vocabulary import Vocabulary
from purposewatch_policy.yaml_reader import InvalidSourceError

CASES = "cases.yaml"


@dataclass(frozen=True, slots=True)
class CaseResult:
    """One case and how it was decided."""

    case: Case
    decision: Decision
    mismatches: tuple[Mismatch, ...]

    @property
    def passed(self) -> bool:
        """Whether the case expects something, and the decision meets all of it."""
        return self.case.expect is not None and not self.mismatches

    @property
    def sentence(self) -> str:
        """The reason for the decision."""
        return deciding_category(self.decision).sentence


@dataclass(frozen=True, slots=True)
class ControllerResult:
    """All cases of one controller."""

    controller: str
    path: Path
    has_file: bool
    """Whether there is a case file at all."""
    results: tuple[CaseResult, ...]
    coverage: tuple[Coverage, ...]
    """One for each version, in the order of their time."""

    @property
    def failed(self) -> tuple[CaseResult, ...]:
        """The cases that are not decided as expected."""
        return tuple(each for each in self.results if not each.passed)


def run_controller(controller: LoadedController) -> ControllerResult:
    """Decide every case and measure what the cases cover.

    Raises `InvalidSourceError` when the case file has faults.
    """
    path = controller.home / CASES
    has_file = path.exists()
    cases = load_cases(path).cases if has_file else ()
    _check_ledgers(cases, controller.policies.vocabularies[controller.name])
    _check_versions(cases, controller)
    results = []
    for case in cases:
        decision = case.decide(controller.policies)
        found = mismatches(case.expect, decision) if case.expect else ()
        results.append(CaseResult(case, decision, found))
    coverage = [
        measure(
            compiled,
            [
                (_with_ledger(each.case), each.decision)
                for each in results
                if _deciding(each.case, controller) is compiled
            ],
        )
        for compiled in controller.policies.versions(controller.name)
    ]
    return ControllerResult(controller.name, path, has_file, tuple(results), tuple(coverage))


def _check_ledgers(cases: Iterable[Case], vocabulary: Vocabulary) -> None:
    """Raise `InvalidSourceError` for facts of which a case's ledger says something in vain."""
    errors = [
        case.location.error(f"`ledger` has `{fact}`, which is not a fact with `authority: ledger`")
        for case in cases
        for fact in case.ledger or ()
        if fact not in vocabulary.ledger_facts
    ]
    if errors:
        raise InvalidSourceError(errors)


def _check_versions(cases: Iterable[Case], controller: LoadedController) -> None:
    """Raise `InvalidSourceError` for versions that cases name and the controller does not have."""
    errors = []
    for case in cases:
        try:
            _deciding(case, controller)
        except KeyError:
            message = f"there is no version `{case.version}`, live or in shadow mode"
            errors.append(case.location.error(f"{message}; correct `version`"))
    if errors:
        raise InvalidSourceError(errors)


def _deciding(case: Case, controller: LoadedController) -> CompiledPolicy | None:
    """Return the version by which a case is decided. Raises `KeyError`."""
    if case.version is not None:
        return controller.policies.by_name(case.flow.controller, case.version)
    return controller.policies.in_force(controller.name, case.at)


def _with_ledger(case: Case) -> Flow:
    """Return a case's flow with what its ledger states."""
    stated = {fact: value for fact, value in (case.ledger or {}).items() if value is not None}
    return case.flow.model_copy(update={"facts": {**case.flow.facts, **stated}})

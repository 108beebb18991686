"""Cases that a lawyer can check: a flow, and the decision that is expected for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from purposewatch_policy.decide import decide, decide_under
from purposewatch_policy.decision import CategoryDecision, Decision, Dimension, Grade, Kind, Outcome
from purposewatch_policy.fact_ledger import LedgerValues
from purposewatch_policy.flow import Flow
from purposewatch_policy.policy_set import PolicySet
from purposewatch_policy.yaml_reader import (
    Fields,
    InvalidSourceError,
    Location,
    MappingNode,
    ScalarNode,
    SourceError,
    as_mapping,
    did_you_mean,
    read_mapping,
)

_Member = TypeVar("_Member", Kind, Grade, Dimension)

_FILE_FIELDS = ("controller", "defaults", "cases")
_DEFAULT_FIELDS = ("at", "flow")
_CASE_FIELDS = ("name", "at", "version", "flow", "ledger", "expect")
_NOT_STATED = "not stated"
_EXPECT_FIELDS = {
    Outcome.PERMITTED: ("outcome", "grade", "statement", "clause"),
    Outcome.VIOLATION: ("outcome", "kind", "grade", "statement", "clause", "failed"),
    Outcome.UNKNOWN: ("outcome",),
}


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a case expects; `None` means that it does not say."""

    outcome: Outcome
    kind: Kind | None = None
    grade: Grade | None = None
    statement: str | None = None
    clause: str | None = None
    failed: tuple[Dimension, ...] | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One case of a case file."""

    name: str
    at: datetime
    flow: Flow
    expect: Expectation | None
    """`None` when the case expects nothing; such a case always fails."""
    location: Location
    ledger: LedgerValues | None = None
    """What is stated about facts of the ledger; `None` if the flow's own facts count."""
    version: str | None = None
    """What decides, live or in shadow mode; `None` for what is in force at its time."""

    def decide(self, policies: PolicySet) -> Decision:
        """Decide the case's flow. Raises `KeyError` for an unknown version."""
        if self.version is not None:
            compiled = policies.by_name(self.flow.controller, self.version)
            return decide_under(self.flow, compiled, self.ledger)
        return decide(self.flow, self.at, policies, self.ledger)


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One field in which a decision differs from what a case expects."""

    name: str
    """Field of the expectation, for example `kind`."""
    expected: str | None
    actual: str | None

    def __str__(self) -> str:
        """Render in one line."""
        return f"{self.name}: expected {_shown(self.expected)}, got {_shown(self.actual)}"


@dataclass(frozen=True, slots=True)
class CaseFile:
    """All cases of one controller."""

    controller: str
    cases: tuple[Case, ...]


def load_cases(path: Path) -> CaseFile:
    """Return the cases of a controller's `cases.yaml`, which lies beside its policies.

    Raises `InvalidSourceError` with every fault of the file.
    """
    errors: list[SourceError] = []
    root = read_mapping(path, errors)
    file = _CaseReader(errors).file(root, path.parent.name) if root else None
    if errors or file is None:
        raise InvalidSourceError(errors)
    return file


def check_case(case: Case, policies: PolicySet) -> tuple[str, ...]:
    """Return how the decision differs from what the case expects; empty when it is met."""
    if case.expect is None:
        return ("the case has no expectation; add `expect`",)
    decision = case.decide(policies)
    wrong = [str(each) for each in mismatches(case.expect, decision)]
    return (*wrong, deciding_category(decision).sentence) if wrong else ()


def mismatches(expect: Expectation, decision: Decision) -> tuple[Mismatch, ...]:
    """Return where a decision differs from what a case expects; empty when it is met.

    Statement, clause, grade and failed dimensions are those of the deciding category.
    """
    deciding = deciding_category(decision)
    actual = {
        "outcome": str(decision.outcome),
        "kind": decision.kind and str(decision.kind),
        "grade": deciding.grade and str(deciding.grade),
        "statement": deciding.statement,
        "clause": deciding.clause,
        "failed": ", ".join(each.dimension for each in deciding.failed),
    }
    expected = {
        "outcome": str(expect.outcome),
        "kind": expect.kind and str(expect.kind),
        "grade": expect.grade and str(expect.grade),
        "statement": expect.statement,
        "clause": expect.clause,
        "failed": None if expect.failed is None else ", ".join(expect.failed),
    }
    always = {"outcome", "kind"}
    return tuple(
        Mismatch(name, value, actual[name])
        for name, value in expected.items()
        if (value is not None or name in always) and value != actual[name]
    )


def deciding_category(decision: Decision) -> CategoryDecision:
    """Return the first category that has the event's outcome and kind."""
    return next(
        each
        for each in decision.categories
        if (each.outcome, each.kind) == (decision.outcome, decision.kind)
    )


class _CaseReader:
    def __init__(self, errors: list[SourceError]) -> None:
        self._errors = errors

    def file(self, root: MappingNode, home: str) -> CaseFile:
        fields = Fields(root, _FILE_FIELDS, "a case file", self._errors)
        controller = fields.text("controller", required=True)
        if controller and controller != home:
            message = f"`controller` is `{controller}`, but the directory is `{home}`; align them"
            fields.error(message, fields.location("controller"))
        defaults = fields.mapping("defaults")
        stated = defaults or MappingNode(fields.at)
        default_fields = Fields(stated, _DEFAULT_FIELDS, "defaults", self._errors)
        at = default_fields.timestamp("at")
        if at is None and default_fields.states("at"):
            at = datetime.min.replace(tzinfo=UTC)  # faulty, and reported once
        flow = default_fields.mapping("flow")
        cases: list[Case] = []
        names: set[str] = set()
        for node in fields.items("cases", required=True):
            body = as_mapping(node, "a case", self._errors)
            case = self._case(body, controller, at, flow) if body else None
            if case is None:
                continue
            if case.name in names:
                message = f"a case `{case.name}` already exists; give one of them another `name`"
                self._errors.append(case.location.error(message))
            names.add(case.name)
            cases.append(case)
        return CaseFile(controller, tuple(cases))

    def _case(
        self, body: MappingNode, controller: str, at: datetime | None, defaults: MappingNode | None
    ) -> Case | None:
        fields = Fields(body, _CASE_FIELDS, "a case", self._errors)
        name = fields.text("name", required=True)
        moment = fields.timestamp("at") if fields.states("at") else at
        if moment is None and not fields.states("at"):
            fields.error("a case lacks `at`; add it, here or in `defaults`")
        ledger = fields.mapping("ledger")
        stated = None if ledger is None else self._ledger(ledger)
        own = fields.mapping("flow")
        flow = self._flow(controller, defaults, own or MappingNode(fields.at))
        expect = fields.mapping("expect")
        expectation = self._expectation(expect) if expect else None
        if moment is None or flow is None:
            return None
        version = fields.text("version") or None
        return Case(name, moment, flow, expectation, fields.at, stated, version)

    def _ledger(self, node: MappingNode) -> dict[str, bool | None]:
        values: dict[str, bool | None] = {}
        for fact, stated in node.entries.items():
            value = stated.plain()
            if value == _NOT_STATED:
                values[fact] = None
            elif isinstance(value, bool):
                values[fact] = value
            else:
                message = f"`{fact}` must be `true`, `false` or `{_NOT_STATED}`"
                self._errors.append(stated.at.error(message))
        return values

    def _flow(self, controller: str, defaults: MappingNode | None, own: MappingNode) -> Flow | None:
        stated = {"controller": controller, **(defaults.plain() if defaults else {}), **own.plain()}
        try:
            return Flow.model_validate(stated)
        except ValidationError as error:
            for fault in error.errors(include_url=False, include_input=False):
                name = ".".join(str(part) for part in fault["loc"])
                node = own.entries.get(str(fault["loc"][0])) if fault["loc"] else None
                message = f"`flow.{name}`: {fault['msg'].lower()}"
                self._errors.append((node.at if node else own.at).error(message))
            return None

    def _expectation(self, node: MappingNode) -> Expectation | None:
        stated = node.entries.get("outcome")
        text = stated.text if isinstance(stated, ScalarNode) else ""
        if text not in set(Outcome):
            at = stated.at if stated else node.at
            message = f"`outcome` must be `{'`, `'.join(Outcome)}`"
            self._errors.append(at.error(message))
            return None
        outcome = Outcome(text)
        fields = Fields(node, _EXPECT_FIELDS[outcome], f"`{outcome}`", self._errors)
        kind = self._member(Kind, fields, "kind") if outcome is Outcome.VIOLATION else None
        for name in _required(outcome, kind):
            if not fields.states(name):
                fields.error(f"`expect` lacks `{name}`; add it")
        failed = [
            self._parsed(Dimension, each.text, each.at) for each in fields.names("failed") or ()
        ]
        return Expectation(
            outcome=outcome,
            kind=kind,
            grade=self._member(Grade, fields, "grade"),
            statement=fields.text("statement") or None,
            clause=fields.text("clause") or None,
            failed=tuple(each for each in failed if each) if fields.states("failed") else None,
        )

    def _member(self, members: type[_Member], fields: Fields, name: str) -> _Member | None:
        text = fields.text(name)
        return self._parsed(members, text, fields.location(name)) if text else None

    def _parsed(self, members: type[_Member], text: str, at: Location) -> _Member | None:
        if text in set(members):
            return members(text)
        hint = did_you_mean(text, members) or f"; write one of `{'`, `'.join(members)}`"
        self._errors.append(at.error(f"unknown {members.__name__.lower()} `{text}`{hint}"))
        return None


def _shown(value: str | None) -> str:
    return f"`{value}`" if value else "none"


def _required(outcome: Outcome, kind: Kind | None) -> Sequence[str]:
    match outcome:
        case Outcome.PERMITTED:
            return ("statement", "clause")
        case Outcome.VIOLATION:
            return ("kind",) if kind is Kind.POLICY_NOT_IN_FORCE else ("kind", "clause")
        case Outcome.UNKNOWN:
            return ()

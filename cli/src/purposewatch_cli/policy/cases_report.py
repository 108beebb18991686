"""Renders the results of cases for a reader, and as JSON."""

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from purposewatch_cli.terminal import printable
from purposewatch_policy import Flow, LedgerValues, Statement
from purposewatch_policy.cases import CaseResult, ControllerResult, Coverage

_LENGTH = 2_000


def show(console: Console, results: Sequence[ControllerResult], least: float) -> None:
    """Print failing cases, what the cases of each controller leave out, and the counts."""
    for result in results:  # failures before warnings
        for failed in result.failed:
            _show_failure(console, failed)
    for result in results:
        if not result.has_file:
            message = f"{result.path}: there is no such file; add cases that a lawyer can check"
            console.print(Text(printable(message), style="yellow"), soft_wrap=True)
        for coverage in result.coverage:
            _show_coverage(console, result.controller, coverage, least)
    cases = sum(len(result.results) for result in results)
    failures = sum(len(result.failed) for result in results)
    short = sum(not each.reaches(least) for result in results for each in result.coverage)
    summary = Text(f"{cases} cases, ")
    summary.append(f"{cases - failures} passed", style="bold green" if not failures else "")
    if failures:
        summary.append(f", {failures} failed", style="bold red")
    by_ledger = sum(each.case.ledger is not None for result in results for each in result.results)
    if by_ledger:
        summary.append(f"; {by_ledger} with a ledger of facts, else those of the flow", style="dim")
    if short:
        versions = "version is" if short == 1 else "versions are"
        summary.append(f"; {short} {versions} covered by less than {least:g}%", style="bold red")
    console.print(summary)


def as_json(results: Sequence[ControllerResult]) -> dict[str, object]:
    """Return the results as one JSON object."""
    return {
        "controllers": [
            {
                "controller": result.controller,
                "path": str(result.path),
                "cases": len(result.results),
                "failed": [_failure(each) for each in result.failed],
                "coverage": [_coverage(each) for each in result.coverage],
            }
            for result in results
        ],
        "cases": sum(len(result.results) for result in results),
        "failed": sum(len(result.failed) for result in results),
    }


def _show_failure(console: Console, failed: CaseResult) -> None:
    case = failed.case
    head = Text(f"{printable(str(case.location))}:{case.location.column}: ")
    head.append("failed: ", style="bold red").append(printable(case.name), style="bold")
    console.print(head, soft_wrap=True)
    rows = [("at", case.at.isoformat()), *_stated(case.flow)]
    if case.ledger is not None:
        rows.append(("ledger", _listed(case.ledger) or "nothing is stated"))
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        console.print(Text(f"      {name:<{width}}  {printable(value)}", style="dim"))
    if case.expect is None:
        outcome = failed.decision.outcome
        message = f"the case has no expectation; add `expect` (it is decided as `{outcome}`)"
        console.print(Text(f"    {message}", style="red"))
    wide = max((len(each.name) for each in failed.mismatches), default=0)
    for each in failed.mismatches:
        console.print(Text(f"    - {each.name:<{wide}}  {each.expected or 'none'}", style="red"))
        console.print(Text(f"    + {each.name:<{wide}}  {each.actual or 'none'}", style="green"))
    console.print(Text(f"    {printable(failed.sentence, limit=_LENGTH)}"), soft_wrap=True)


def _stated(flow: Flow) -> list[tuple[str, str]]:
    stated = flow.model_dump(exclude_defaults=True, exclude={"controller"})
    rows = []
    for name, value in stated.items():
        if isinstance(value, dict):
            text = _listed(value)
        else:
            text = ", ".join(value) if isinstance(value, tuple) else str(value)
        rows.append((name, text))
    return rows


def _listed(facts: LedgerValues) -> str:
    return ", ".join(
        f"{fact}: {'not stated' if value is None else str(value).lower()}"
        for fact, value in facts.items()
    )


def _show_coverage(console: Console, controller: str, coverage: Coverage, least: float) -> None:
    decided = coverage.statements - len(coverage.undecided)
    line = Text(f"{controller} {printable(coverage.version)}: ", style="bold")
    line.append(
        f"{decided} of {coverage.statements} statements decide a case "
        f"({coverage.statements_percent:.0f}%), {coverage.values_touched} of {coverage.values} "
        f"named terms are touched ({coverage.values_percent:.0f}%)",
        style="not bold" if coverage.reaches(least) else "not bold red",
    )
    console.print(line, soft_wrap=True)
    for statement in coverage.undecided:
        message = f"no case is {_participle(statement)} by `{statement.id}` ({statement.clause})"
        console.print(Text(f"    {message}", style="yellow"), soft_wrap=True)
    for name, terms in coverage.untouched.items():
        listed = ", ".join(f"`{term}`" for term in terms)
        message = f"no case touches these {name.replace('_', ' ')}: {listed}"
        console.print(Text(f"    {message}", style="yellow"), soft_wrap=True)


def _participle(statement: Statement) -> str:
    return "permitted" if statement.effect == "permit" else "prohibited"


def _failure(failed: CaseResult) -> dict[str, object]:
    case = failed.case
    return {
        "name": case.name,
        "path": case.location.path,
        "line": case.location.line,
        "column": case.location.column,
        "at": case.at.isoformat(),
        "flow": case.flow.model_dump(mode="json", exclude_defaults=True),
        "ledger": None if case.ledger is None else dict(case.ledger),
        "expects_nothing": case.expect is None,
        "differences": [
            {"name": each.name, "expected": each.expected, "actual": each.actual}
            for each in failed.mismatches
        ],
        "sentence": failed.sentence,
    }


def _coverage(coverage: Coverage) -> dict[str, object]:
    return {
        "version": coverage.version,
        "statements": {
            "total": coverage.statements,
            "percent": round(coverage.statements_percent, 2),
            "undecided": [
                {"id": each.id, "clause": each.clause, "effect": each.effect}
                for each in coverage.undecided
            ],
        },
        "values": {
            "total": coverage.values,
            "percent": round(coverage.values_percent, 2),
            "untouched": {name: list(terms) for name, terms in coverage.untouched.items()},
        },
    }

"""Short chaos runs: one that must pass, and some with a planted fault that must not.

The long one is `make chaos`; see docs/chaos.md.
"""

from __future__ import annotations

import shutil

import pytest

from tests.chaos.run import Options, Result, run
from tests.harness.apache_kafka import require_apache_kafka
from tests.harness.postgresql import require_postgresql

pytestmark = [pytest.mark.apache_kafka, pytest.mark.timeout(900, func_only=True)]

_SEED = 20_180_525


async def _run(options: Options) -> Result:
    require_apache_kafka()
    require_postgresql()
    lines: list[str] = []
    result = await run(options, lines.append)
    print("\n".join([*lines, *result.lines()]))  # noqa: T201 - pytest shows it on a failure
    return result


async def test_nothing_is_lost_and_nothing_counted_twice() -> None:
    """Kills of an auditor, a reporter, a broker and PostgreSQL, a pause and broken links."""
    result = await _run(Options(seed=_SEED, seconds=45, scenario="short"))

    assert result.differences.lines() == []


@pytest.mark.parametrize(
    ("plant", "seconds", "guarantee"),
    [
        ("commit-before-produce", 24, "event without a verdict"),
        ("decide-without-waiting", 12, "fact decided by another statement"),
        ("forget-ledger", 12, "ledger: different"),
        ("answer-before-confirm", 12, "event sent over HTTP: missing"),
    ],
)
async def test_a_planted_fault_is_found(plant: str, seconds: float, guarantee: str) -> None:
    """A service that violates a guarantee fails the run, and the report names the guarantee."""
    options = Options(
        seed=_SEED,
        seconds=seconds,
        scenario="kills",
        plant=plant,
        quiet_seconds=8,
        statement_seconds=1,
    )

    result = await _run(options)
    shutil.rmtree(result.kept or "nowhere", ignore_errors=True)

    assert any(line.startswith(guarantee) for line in result.differences.lines())


async def test_a_full_disk_loses_nothing() -> None:
    """The reporter's SQLite can't write for a while; once it can, the ledger is complete."""
    result = await _run(Options(seed=_SEED, seconds=30, scenario="disk"))

    assert result.differences.lines() == []

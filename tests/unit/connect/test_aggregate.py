"""Identical accesses become one event with a count; kills lose none and count none twice."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from purposewatch_client import Client, ClientSettings, MemorySink
from purposewatch_connect.aggregate import group_identical, merge
from purposewatch_connect.exports.publish import publish_files
from purposewatch_connect.exports.reading import Reading
from purposewatch_connect.exports.settings import ExportSettings
from purposewatch_connect.mapping import Access
from purposewatch_connect.mapping.outcome import Outcome
from purposewatch_connect.pipeline import Input, InvalidAccessError, Pipeline
from purposewatch_connect.spool import ClientSpool
from purposewatch_contract.submission import read_event
from purposewatch_runtime.metrics import MetricSet
from tests.unit.connect import following
from tests.unit.connect.spools import MemorySpool

ROOT = Path(__file__).parents[3]
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
MINUTE = timedelta(minutes=1)


def access(name: str, seconds: float = 0, **changes: Any) -> Access:
    """An access of that id, so long after noon."""
    fields: dict[str, Any] = {
        "service": "portal",
        "controller": "wework-labs",
        "role": "member",
        "operation": "use",
        "purpose": "essential.service",
        "recipient": "first_party",
        "data_categories": ("user.name",),
        "subject_id": "m-7",
    }
    return Access(id=name, time=NOON + timedelta(seconds=seconds), **{**fields, **changes})


def merged(accesses: Sequence[Access], window: timedelta = MINUTE) -> list[Access]:
    """The events, by time."""
    events = map(merge, group_identical(accesses, window))
    return sorted(events, key=lambda each: (each.time, each.id))


def test_identical_accesses_are_one() -> None:
    """With the latest time and its trace, a count, and an id of its own."""
    first, second = access("a"), access("b", 59, traceparent=TRACE)
    [event] = merged([second, first])
    assert (event.count, event.time, event.traceparent) == (2, second.time, TRACE)
    assert event.id not in {"a", "b"}
    assert event == merged([first, second])[0]
    assert merged([first]) == [first]


@pytest.mark.parametrize(
    "change",
    [
        {"service": "crm"},
        {"controller": "acme"},
        {"role": "visitor"},
        {"operation": "store"},
        {"purpose": "marketing"},
        {"recipient": "processor"},
        {"data_categories": ("user.name", "user.contact")},
        {"subject_id": "m-8"},
        {"source": "employer"},
        {"location": "eu"},
        {"retention_days": 3},
        {"legal_basis": "consent"},
        {"facts": {"consent.marketing": True}},
    ],
    ids=str,
)
def test_whatever_differs_stays_apart(change: dict[str, Any]) -> None:
    """Everything but id, time and trace; equal values are together again."""
    changed = [access(name, **change) for name in "bc"]
    assert [each.count for each in merged([access("a"), *changed])] in ([1, 2], [2, 1])


def test_window_ends_at_the_time_of_the_event() -> None:
    """What lies further apart is another event; what has the same id is the same access."""
    accesses = [access(str(seconds), seconds) for seconds in (0, 30, 60, 61, 200)]
    assert [(each.count, each.time) for each in merged([*accesses, *accesses])] == [
        (3, NOON + MINUTE),
        (1, NOON + timedelta(seconds=61)),
        (1, NOON + timedelta(seconds=200)),
    ]


@given(
    st.lists(
        st.builds(
            access,
            st.sampled_from([f"id-{number}" for number in range(30)]),
            st.integers(0, 300),
            subject_id=st.sampled_from(["m-1", "m-2"]),
        ),
        max_size=30,
        unique_by=lambda each: each.id,
    ),
    st.randoms(use_true_random=False),
)
def test_every_access_is_in_one_event(accesses: list[Access], random: Any) -> None:
    """Whatever their order, and the events are the same for each order."""
    groups = list(group_identical(accesses, MINUTE))
    assert sorted(each.id for group in groups for each in group) == sorted(
        each.id for each in accesses
    )
    assert all(group[-1].time - group[0].time <= MINUTE for group in groups)
    shuffled = list(accesses)
    random.shuffle(shuffled)
    assert merged(shuffled) == merged(accesses)


class Mapped:
    """A mapper whose observations are accesses already."""

    def apply(self, observation: Any) -> Outcome:
        """Return it."""
        return Outcome((observation,))


def inputs_of(accesses: Any) -> Input:
    """An input that such a mapper maps to these."""
    return Input(accesses)


def pipeline_of(spool: Any, metrics: MetricSet, window: timedelta | None = MINUTE) -> Pipeline:
    """A pipeline behind such a mapper."""
    return Pipeline("test", Mapped, spool, metrics, lambda: 0.0, window=window)  # type: ignore[arg-type]


def test_pipeline_aggregates_what_is_published_together() -> None:
    """Each input has its own accesses; events and accesses are counted apart."""
    spool, metrics = MemorySpool(), MetricSet("connect", version="0")
    first, second = [access("a"), access("b")], [access("c", subject_id="x")]
    inputs = [inputs_of(first), inputs_of(second)]
    pipeline = pipeline_of(spool, metrics)
    assert [each.accesses for each in pipeline.publish(inputs)] == [2, 1]
    assert sorted(each.count for each in spool.accesses) == [1, 2]

    def sample(name: str) -> float | None:
        return metrics.registry.get_sample_value(
            f"purposewatch_connect_{name}_total", {"connector": "test"}
        )

    assert (sample("accesses"), sample("events")) == (3, 2)
    pipeline.publish(inputs)
    assert [each.id for each in spool.accesses[:2]] == [each.id for each in spool.accesses[2:]]


def test_without_a_window_each_access_is_an_event() -> None:
    """That is the default."""
    spool = MemorySpool()
    pipeline = pipeline_of(spool, MetricSet("connect", version="0"), None)
    pipeline.publish([inputs_of([access("a"), access("b")])])
    assert [(each.id, each.count) for each in spool.accesses] == [("a", 1), ("b", 1)]
    settings = ExportSettings(connect_mapping_file=Path("m.yaml"))
    assert settings.aggregation_window is None


def test_every_access_of_a_refused_event_is_a_gap() -> None:
    """And none counts as published."""

    class Refusing(MemorySpool):
        def append(self, access: Access) -> None:
            raise InvalidAccessError

    spool = Refusing()
    pipeline = pipeline_of(spool, MetricSet("connect", version="0"))
    [published] = pipeline.publish([inputs_of([access("a"), access("b")])])
    assert published.accesses == 0
    assert len(published.gaps) == len(spool.gaps) == len({gap.id for gap in spool.gaps}) == 2


def test_count_is_in_the_event_that_is_sent() -> None:
    """As ingest reads it."""
    sink = MemorySink()
    settings = ClientSettings(source="/query-log", ingest_url="http://localhost", key="k")
    ClientSpool(Client(settings, sink)).append(replace(access("a"), count=250))
    event = read_event(sink.events[0])
    assert (event.id, event.data.count) == ("a", 250)


async def test_exports_aggregate_within_a_file(tmp_path: Path) -> None:
    """The same file gives the same events."""
    mapping, export = tmp_path / "mapping.yaml", tmp_path / "export"
    mapping.write_text("publisher: query-log\n", encoding="utf-8")
    export.write_bytes(b"x")
    settings = ExportSettings(
        connect_mapping_file=mapping,
        policies_dir=ROOT / "policies",
        connect_aggregate_seconds=60,
    )
    spool = MemorySpool()

    def read(_: bytes) -> Iterator[Reading]:
        found: list[Any] = [access(str(number), number % 50) for number in range(1_500)]
        return (Reading((each,), ()) for each in found)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("purposewatch_connect.mapping_files.MappingFiles.mapper", Mapped)
        for _ in range(2):
            summary = await publish_files("test", read, [export], settings, lambda _: spool)
    assert summary.accesses == 1_500
    assert [each.count for each in spool.accesses] == [1_000, 500] * 2
    assert spool.accesses[:2] == spool.accesses[2:]


def entry(line: int) -> str:
    """An entry of the log: every other one is about the same member, some seconds later."""
    statement = f"select email from members where member_id={1 + line % 2}"  # noqa: S608
    return json.dumps(
        {
            "timestamp": f"2026-03-02 08:{line // 20:02}:{line % 20:02}.000 UTC",
            "user": "app",
            "dbname": "portal",
            "session_id": "6b0b0c8d.5fb0",
            "line_num": line,
            "message": f"AUDIT: SESSION,{line},1,READ,SELECT,,,{statement},<none>",
            "application_name": "portal:essential.service.provision",
        }
    )


def follow(directory: Path, kill: str) -> int:
    """Run the connector over the log until it has read all or is killed; its exit status."""
    arguments = [ROOT / "connectors" / "examples" / "mapping.yaml", ROOT / "policies"]
    arguments += [directory / name for name in ("log", "state", "spool")]
    command = [sys.executable, following.__file__, *map(str, arguments), kill]
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    finished = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": paths}, check=False, timeout=60
    )
    return finished.returncode


def test_kills_lose_no_access_and_count_none_twice(tmp_path: Path) -> None:
    """Killed amid the events of a batch, and before it is committed; the log grows meanwhile."""
    log = tmp_path / "log"
    (tmp_path / "state").mkdir()
    lines = [entry(line) for line in range(60)]
    for start, kill in ((0, "1"), (20, "commit"), (40, "never")):
        with log.open("a", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in lines[start : start + 20]))
        assert follow(tmp_path, kill) == (0 if kill == "never" else -9)
    rows = [json.loads(row) for row in (tmp_path / "spool").read_text().splitlines()]
    events = {row[0]: tuple(row) for row in rows}
    assert len(set(map(tuple, rows))) == len(events) < len(rows), "repeats are the same events"
    counted: Counter[str] = Counter()
    for _, count, _, subject in events.values():
        counted[subject] += count
    assert counted == {"1": 30, "2": 30}
    assert any(count > 1 for _, count, *_ in events.values())

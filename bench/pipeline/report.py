"""Turns figures into ratios, targets and tables."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.pipeline.contestant import Figure
from bench.pipeline.facts import Restored
from bench.pipeline.latency import Latency

_BEGIN = "<!-- begin: written by make bench -->"
_END = "<!-- end: written by make bench -->"


@dataclass(frozen=True, slots=True)
class Result:
    """The medians of one contestant's rounds."""

    title: str
    per_second: float
    per_cpu_second: float
    rss_bytes: float
    rounds: tuple[Figure, ...]

    @classmethod
    def of(cls, title: str, rounds: Sequence[Figure]) -> "Result":
        """Take the medians."""
        return cls(
            title,
            statistics.median(each.per_second for each in rounds),
            statistics.median(each.per_cpu_second for each in rounds),
            statistics.median(each.rss_bytes for each in rounds),
            tuple(rounds),
        )

    @property
    def cpu_us(self) -> float:
        """Microseconds of processor time for each event."""
        return 1e6 / self.per_cpu_second


@dataclass(frozen=True, slots=True)
class Target:
    """What a ratio should be."""

    meaning: str
    least: float


TARGETS = {
    "auditor_vs_passthrough": Target("auditor against bare pass-through, per CPU second", 0.36),
    "auditor_vs_one_message_handler": Target(
        "auditor against a message at a time, per CPU second", 6.0
    ),
    "two_vs_one": Target("two auditors against one, in elapsed time", 1.7),
    "http_batch_vs_raw_topic": Target("ingest over HTTP in batches against the raw topic", 0.25),
    "reporter_vs_auditor": Target("reporter against auditor, per CPU second", 1.0),
    "auditor_without_facts": Target(
        "auditor without events that depend on facts against one without the ledger's code", 0.97
    ),
    "auditor_with_facts": Target(
        "auditor with one event in five looked up among a million against believing them", 0.7
    ),
}
P99_AT_HALF_MS = 250.0
RESTORE_SECONDS = {"restore": 30.0, "restart": 2.0}
_RESTORES = {
    "restore": "a million statements into an empty state",
    "restart": "started again on that state",
}


def ratios(results: Mapping[str, Result]) -> dict[str, float]:
    """The ratios of those contestants that took part."""
    pairs = {
        "auditor_vs_passthrough": ("auditor", "pass_through"),
        "auditor_vs_one_message_handler": ("auditor", "one_message"),
        "http_batch_vs_raw_topic": ("http_batch", "raw_topic"),
        "reporter_vs_auditor": ("reporter_postgresql", "auditor"),
        "auditor_without_facts": ("auditor_without_facts", "auditor_stripped"),
        "auditor_with_facts": ("auditor_with_facts", "auditor_believing"),
    }
    found = {
        name: results[one].per_cpu_second / results[other].per_cpu_second
        for name, (one, other) in pairs.items()
        if one in results and other in results
    }
    if "two_auditors" in results and "auditor" in results:
        found["two_vs_one"] = results["two_auditors"].per_second / results["auditor"].per_second
    return found


def throughput_table(results: Mapping[str, Result]) -> str:
    """One row for each contestant."""
    rows = [
        "| | CPU µs per event | events per CPU second | events per second | memory (MiB) |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    rows += [
        f"| {each.title} | {each.cpu_us:,.1f} | {each.per_cpu_second:,.0f} | "
        f"{each.per_second:,.0f} | {each.rss_bytes / 2**20:,.0f} |"
        for each in results.values()
    ]
    return "\n".join(rows)


def ratio_table(found: Mapping[str, float]) -> str:
    """One row for each ratio, with its target if it has one."""
    rows = ["| ratio | measured | target | |", "| --- | ---: | ---: | --- |"]
    for name, value in found.items():
        target = TARGETS[name]
        wanted, met = "", ""
        if target.least:
            wanted = f"{target.least:g}"
            met = "met" if value >= target.least else "missed"
        rows.append(f"| {target.meaning} | {value:.2f} | {wanted} | {met} |")
    return "\n".join(rows)


def latency_table(latencies: Mapping[str, Latency]) -> str:
    """One row for each load."""
    rows = [
        "| load | events per second | p50 (ms) | p95 (ms) | p99 (ms) | |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for share, each in latencies.items():
        met = ""
        if share == "0.5":
            met = f"p99 under {P99_AT_HALF_MS:g} ms: "
            met += "met" if each.p99_ms < P99_AT_HALF_MS else "missed"
        rows.append(
            f"| {share} of capacity | {each.sent_per_second:,.0f} | {each.p50_ms:.1f} | "
            f"{each.p95_ms:.1f} | {each.p99_ms:.1f} | {met} |"
        )
    return "\n".join(rows)


def restore_table(restored: Mapping[str, Restored]) -> str:
    """One row for each start."""
    rows = [
        "| state of facts | seconds | from the process's start | disk (MiB) | memory (MiB) | |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for name, each in restored.items():
        limit = RESTORE_SECONDS[name]
        met = "met" if each.seconds < limit else "missed"
        rows.append(
            f"| {_RESTORES[name]} | {each.seconds:.1f} | {each.from_start_seconds:.1f} | "
            f"{each.state_bytes / 2**20:,.0f} | {each.rss_bytes / 2**20:,.0f} | "
            f"under {limit:g} s: {met} |"
        )
    return "\n".join(rows)


def as_json(
    results: Mapping[str, Result],
    latencies: Mapping[str, Latency],
    restored: Mapping[str, Restored],
) -> dict[str, dict[str, object]]:
    """Everything that was found."""
    seconds = {f"{name}_million_facts": each.seconds for name, each in restored.items()}
    return {
        "seconds": dict(seconds),
        "facts": {name: asdict(each) for name, each in restored.items()},
        "ratios": dict(ratios(results)),
        "contestants": {
            name: {**asdict(each), "cpu_us": each.cpu_us} for name, each in results.items()
        },
        "latency": {share: asdict(each) for share, each in latencies.items()},
    }


def rewrite(page: Path, text: str) -> None:
    """Put the text between the page's markers."""
    before, begin, rest = page.read_text(encoding="utf-8").partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not (begin and end):
        message = f"`{page}` lacks the lines `{_BEGIN}` and `{_END}`; add them"
        raise ValueError(message)
    page.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", encoding="utf-8")

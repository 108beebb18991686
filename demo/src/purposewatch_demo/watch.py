"""Asks the services how they are and what is in the ledger."""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from purposewatch_demo.account import Account, FoundViolation, PartitionLedgerReport, ServiceState
from purposewatch_demo.processes import Service
from purposewatch_policy import Outcome
from purposewatch_runtime import metrics as m

_VIOLATIONS = 20
_DEAD_LETTERS_A_PAGE = 200


class ServiceWatch:
    """Keeps the latest account. What a service does not answer keeps its last known value."""

    def __init__(self, client: httpx.AsyncClient, services: Mapping[str, Service]) -> None:
        self._client = client
        self._services = services
        self._answers = dict.fromkeys(services, False)
        self._dead_letters: dict[str, str] = {}
        self.account = Account(at=time.monotonic())

    async def refresh(self) -> Account:
        """Ask every service once."""
        found: dict[str, Any] = {}
        asked = await asyncio.gather(
            self._ask("ingest", self._ingest()),
            self._ask("auditor", self._auditor()),
            self._ask("reporter", self._reporter()),
        )
        for answer in asked:
            found |= answer
        states = [
            ServiceState(name, service.spec.url, self._answers[name], service.restarts)
            for name, service in self._services.items()
        ]
        self.account = replace(self.account, at=time.monotonic(), services=states, **found)
        return self.account

    async def _ask(self, name: str, question: Any) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = await question
        except (httpx.HTTPError, KeyError, ValueError):
            self._answers[name] = False
            return {}
        self._answers[name] = True
        return answer

    async def _ingest(self) -> dict[str, Any]:
        samples = await self._metrics("ingest")
        return {"accepted": int(_total(samples, f"{m.INGEST_ACCEPTED.name}_total"))}

    async def _auditor(self) -> dict[str, Any]:
        samples = await self._metrics("auditor")
        buckets = [
            (float(labels["le"]), value)
            for name, labels, value in samples
            if name == f"{m.ACCEPT_TO_VERDICT_SECONDS.name}_bucket"
        ]
        return {
            "audited": int(_total(samples, f"{m.VERDICTS.name}_total")),
            "latency": _latency(buckets),
        }

    async def _reporter(self) -> dict[str, Any]:
        ledger = await self._get("/ledger")
        counts = await self._get("/counts", by=["outcome", "kind"])
        violations = await self._get("/violations", limit=_VIOLATIONS)
        await self._look_for_dead_letters()
        outcomes: Counter[str] = Counter()
        kinds: Counter[str] = Counter()
        for group in counts["groups"]:
            outcomes[group["outcome"]] += group["count"]
            if group["outcome"] == Outcome.VIOLATION:
                kinds[group["kind"]] += group["count"]
        return {
            "ledger": tuple(
                PartitionLedgerReport(
                    **{name: each[name] for name in PartitionLedgerReport.__slots__}
                )
                for each in ledger["partitions"]
            ),
            "outcomes": outcomes,
            "kinds": kinds,
            "dead_lettered": Counter(self._dead_letters.values()),
            "violations": tuple(_violation(each) for each in violations["items"]),
        }

    async def _look_for_dead_letters(self) -> None:
        """Page from the newest backwards until a whole page is known already."""
        cursor: dict[str, str] = {}
        while True:
            page = await self._get("/dead-letters", limit=_DEAD_LETTERS_A_PAGE, **cursor)
            found = {each["id"]: each["error_class"] for each in page["items"]}
            news = found.keys() - self._dead_letters.keys()
            self._dead_letters |= found
            if not news or page["next"] is None:
                return
            cursor = {"cursor": page["next"]}

    async def _get(self, path: str, **parameters: Any) -> Any:
        url = f"{self._services['reporter'].spec.url}/api/v1{path}"
        answer = await self._client.get(url, params=parameters)
        answer.raise_for_status()
        return answer.json()

    async def _metrics(self, service: str) -> list[tuple[str, dict[str, str], float]]:
        answer = await self._client.get(f"{self._services[service].spec.url}/metrics")
        answer.raise_for_status()
        return [
            (sample.name, sample.labels, sample.value)
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
        ]


def _total(samples: list[tuple[str, dict[str, str], float]], name: str) -> float:
    return sum(value for each, _, value in samples if each == name)


def _latency(buckets: list[tuple[float, float]]) -> tuple[float, float] | None:
    """Upper bounds of the median and the 95th percentile, from cumulative buckets."""
    if not buckets or buckets[-1][1] == 0:
        return None
    total = buckets[-1][1]
    median, high = (
        next(bound for bound, below in buckets if below >= share * total) for share in (0.5, 0.95)
    )
    return median, high


def _violation(found: Mapping[str, Any]) -> FoundViolation:
    return FoundViolation(
        time=str(found["event_time"])[11:19],
        publisher=found["publisher"],
        role=found["role"],
        recipient=found["recipient"],
        kind=found["kind"] or found["outcome"],
        clause=found["clause"] or "",
        sentence=found["summary"],
    )

"""The demonstration's traffic as data: publishers, flows, and what is wrong on purpose."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Annotated, Any, Self

import yaml
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from purposewatch_contract import ErrorClass, Publisher
from purposewatch_policy import Controller, Decision, Flow, Kind, Outcome, PolicySet, Term, decide

Weight = Annotated[float, Field(gt=0)]


class Transport(StrEnum):
    """How events travel to ingest."""

    SINGLE = "single"
    """One event for each HTTP request, structured mode."""
    BINARY = "binary"
    """One event for each HTTP request, its attributes in headers."""
    BATCH = "batch"
    """Many events in one HTTP request."""
    RAW = "raw"
    """Records of the raw topic."""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PublisherPlan(_Entry):
    """A platform service that publishes events."""

    controller: Controller
    weight: Weight
    paths: tuple[str, ...] = Field(min_length=1, description="Below its name in `source`.")
    transports: dict[Transport, Weight] = Field(min_length=1)


class SystemPlan(_Entry):
    """A system that knows facts about data subjects, and states them."""

    controller: Controller
    states: tuple[Term, ...] = Field(min_length=1, description="The facts that it may state.")


class FlowPlan(_Entry):
    """A flow that happens again and again, and what the audit must make of it."""

    name: str
    publisher: Publisher
    weight: Weight
    flow: dict[str, Any]
    stated: dict[Term, tuple[bool, ...]] = Field(
        default_factory=dict,
        description="What was stated about the subject before: of each fact its values in turn.",
    )
    at: AwareDatetime | None = Field(default=None, description="Instead of the present.")
    violates: Kind | None = None
    clause: str | None = None

    def of(self, controller: Controller) -> Flow:
        """The flow as the policy core is asked about it."""
        return Flow.model_validate({"controller": controller, **self.flow})

    @property
    def ledger(self) -> dict[str, bool]:
        """What is stated when the event happens."""
        return {fact: values[-1] for fact, values in self.stated.items()}


class Fault(_Entry):
    """Something that must not get through ingest: a publisher's event, changed."""

    name: str
    publisher: Publisher
    weight: Weight
    set: dict[str, Any] = Field(default_factory=dict, description="Dotted field to its value.")
    remove: tuple[str, ...] = ()


class Refused(Fault):
    """Answered over HTTP with a status."""

    status: int = Field(ge=400, lt=500)
    foreign_key: bool = False


class Malformed(Fault):
    """Dead-lettered from the raw topic."""

    error_class: ErrorClass
    body: str | None = Field(default=None, description="Instead of an event.")


class Shares(_Entry):
    """Fractions of everything that is sent."""

    repeated: float = Field(ge=0, le=0.2)
    refused: float = Field(ge=0, le=0.2)
    malformed: float = Field(ge=0, le=0.2)


class TrafficPlan(_Entry):
    """All of it."""

    publishers: dict[Publisher, PublisherPlan]
    systems: dict[Publisher, SystemPlan]
    shares: Shares
    flows: tuple[FlowPlan, ...]
    refused: tuple[Refused, ...]
    malformed: tuple[Malformed, ...]

    @model_validator(mode="after")
    def _every_publisher_is_planned(self) -> Self:
        published = {each.publisher for each in self.flows}
        named = published.union(each.publisher for each in (*self.refused, *self.malformed))
        if unplanned := named - self.publishers.keys():
            message = f"no such publisher: {sorted(unplanned)}"
            raise ValueError(message)
        if silent := self.publishers.keys() - published:
            message = f"publishers without a flow: {sorted(silent)}"
            raise ValueError(message)
        for plan in self.flows:
            plan.of(self.publishers[plan.publisher].controller)
            for fact in plan.stated:
                self.system_for(plan, fact)
        return self

    def system_for(self, plan: FlowPlan, fact: str) -> str:
        """Return which system states a fact about the subjects of a flow. Raises `ValueError`."""
        controller = self.publishers[plan.publisher].controller
        for name, system in self.systems.items():
            if system.controller == controller and fact in system.states:
                return name
        message = f"no system of {controller} states {fact}"
        raise ValueError(message)

    @property
    def controllers(self) -> frozenset[str]:
        """The controllers whose policies the traffic is about."""
        return frozenset(each.controller for each in self.publishers.values())

    @property
    def controllers_by_publisher(self) -> dict[str, frozenset[str]]:
        """The controllers for which each publisher, or system, may publish."""
        named: Mapping[str, PublisherPlan | SystemPlan] = {**self.publishers, **self.systems}
        return {name: frozenset({each.controller}) for name, each in named.items()}

    @property
    def facts_by_system(self) -> dict[str, frozenset[str]]:
        """The facts that each system may state."""
        return {name: frozenset(each.states) for name, each in self.systems.items()}


@cache
def planned_traffic() -> TrafficPlan:
    """The plan that ships with the package."""
    text = files("purposewatch_demo").joinpath("traffic.yaml").read_text(encoding="utf-8")
    return TrafficPlan.model_validate(yaml.safe_load(text))


def mismatches(plan: TrafficPlan, policies: PolicySet, now: datetime) -> Iterator[str]:
    """Yield one sentence for each flow of which the policies say something else."""
    for flow in plan.flows:
        controller = plan.publishers[flow.publisher].controller
        decision = decide(flow.of(controller), flow.at or now, policies, flow.ledger)
        found = (decision.outcome, decision.kind, _clause(decision))
        if found != _planned(flow):
            yield f"`{flow.name}` is {_named(found)}, not {_named(_planned(flow))}"


def _planned(flow: FlowPlan) -> tuple[str, str | None, str | None]:
    outcome = Outcome.VIOLATION if flow.violates else Outcome.PERMITTED
    return outcome, flow.violates, flow.clause


def _clause(decision: Decision) -> str | None:
    for category in decision.categories:
        if (category.outcome, category.kind) == (decision.outcome, decision.kind):
            return category.clause
    return None


def _named(found: tuple[str, str | None, str | None]) -> str:
    outcome, kind, clause = found
    return f"{kind or outcome} under clause {clause or 'none'}"

"""Composition of the auditor: settings in, application out. Nothing connects before start."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version

from starlette.applications import Starlette

from purposewatch_auditor.audit import decider_for
from purposewatch_auditor.facts import FactsLedger
from purposewatch_auditor.pipeline import AuditPipeline
from purposewatch_auditor.publishers import load_publisher_names
from purposewatch_auditor.settings import AuditorSettings
from purposewatch_contract import DEAD_LETTERS, EVENTS, FACTS, VERDICTS, ErrorClass, topic_name
from purposewatch_policy import CompiledPolicy, Outcome, PolicySet, load_policies
from purposewatch_runtime import metrics as m
from purposewatch_runtime.kafka import (
    AcknowledgedProducer,
    BatchConsumer,
    DeadLetterLimit,
    DeadLetterPolicy,
    KafkaAccess,
    RecordSigning,
    TopicProvisioner,
    asyncapi_routes,
)
from purposewatch_runtime.policy_bundle import policy_bundle
from purposewatch_runtime.service import (
    Component,
    EventLoopWatch,
    FileReloader,
    Supervisor,
    health_routes,
)
from purposewatch_runtime.traces import build_traces

_CLIENT_ID = "purposewatch-auditor"


def _show_policies(metric_set: m.MetricSet, policies: PolicySet) -> None:
    info, in_force = metric_set.gauge(m.POLICY_INFO), metric_set.gauge(m.POLICY_IN_FORCE)
    info.clear()
    in_force.clear()
    metric_set.start_at_zero(m.VERDICTS, [(m.UNJUDGED, str(Outcome.UNKNOWN), "none")])
    for controller in policies.controllers:
        metric_set.start_at_zero(m.VERDICTS, [(controller, *outcome) for outcome in m.OUTCOMES])
        for compiled in policies.versions(controller):
            name = compiled.policy.version
            info.labels(controller, name, compiled.digest).set(1)
            in_force.labels(controller, name).set_function(
                partial(_is_in_force, policies, compiled)
            )
    metric_set.gauge(m.POLICY_LOADED).set_to_current_time()


def _is_in_force(policies: PolicySet, compiled: CompiledPolicy) -> bool:
    return policies.in_force(compiled.policy.controller, datetime.now(UTC)) is compiled


def _watch_publishers(settings: AuditorSettings) -> FileReloader[frozenset[str]] | None:
    if settings.publishers_file is None:
        return None
    return FileReloader(
        settings.publishers_file,
        load_publisher_names,
        interval=settings.policies_reload_seconds,
        on_result=lambda _: None,  # ingest reports a faulty register
        name="register of publishers",
    )


def build_app(settings: AuditorSettings) -> tuple[Starlette, Supervisor]:
    """Put the auditor together.

    Raises `InvalidSourceError` when the declared policies or the register of publishers are faulty.
    """
    own_version = version("purposewatch-auditor")
    metric_set = m.MetricSet("auditor", version=own_version)

    bundle = policy_bundle(settings, metric_set)
    if bundle is not None:
        bundle.prepare()

    def reloaded(error: Exception | None) -> None:
        metric_set.counter(m.POLICY_RELOADS).labels("failure" if error else "success").inc()
        metric_set.gauge(m.POLICY_RELOAD_FAILED).set(1 if error else 0)
        if error is None:
            _show_policies(metric_set, decider.current.policies)

    decider = FileReloader(
        settings.policies_path,
        lambda directory: decider_for(load_policies(directory)),
        interval=settings.policies_reload_seconds,
        on_result=reloaded,
    )
    _show_policies(metric_set, decider.current.policies)
    events_topic = topic_name(settings.topic_prefix, EVENTS)
    metric_set.start_at_zero(m.POLICY_RELOADS, [("success",), ("failure",)])
    metric_set.start_at_zero(m.DEAD_LETTERS, ((events_topic, str(each)) for each in ErrorClass))
    publishers = _watch_publishers(settings)
    signing = RecordSigning(settings, service="auditor", metric_set=metric_set)
    producer = AcknowledgedProducer(settings, client_id=_CLIENT_ID, sign=signing.sign)
    facts = FactsLedger(
        settings,
        client_id=_CLIENT_ID,
        producer=producer,
        verify=signing.verify_now,
        metric_set=metric_set,
    )
    traces = build_traces(settings, service="auditor", version=own_version, metric_set=metric_set)
    pipeline = AuditPipeline(
        decider=lambda: decider.current,
        facts=facts,
        producer=producer,
        limit=DeadLetterLimit(DeadLetterPolicy.from_settings(settings)),
        verdicts_topic=topic_name(settings.topic_prefix, VERDICTS),
        dead_letters_topic=topic_name(settings.topic_prefix, DEAD_LETTERS),
        metric_set=metric_set,
        traces=traces,
        clock=lambda: datetime.now(UTC),
        publishers=publishers,
    )
    consumer = BatchConsumer(
        settings,
        topic=events_topic,
        group_id=f"{settings.topic_prefix}.auditor",
        client_id=_CLIENT_ID,
        handle=pipeline.handle,
        metric_set=metric_set,
        on_assignment=facts.follow,
        verify=signing.verify,
    )
    access = KafkaAccess(
        settings,
        service="auditor",
        groups=[consumer.group_id],
        client_id=_CLIENT_ID,
        metric_set=metric_set,
    )
    topics = (EVENTS, VERDICTS, DEAD_LETTERS, FACTS)
    provisioner = TopicProvisioner(settings, topics, client_id=_CLIENT_ID)
    files: list[Component] = [each for each in (bundle, decider, publishers) if each is not None]
    supervisor = Supervisor(
        [
            EventLoopWatch(metric_set),
            traces,
            *files,
            signing,
            access,
            provisioner,
            producer,
            facts,
            consumer,
        ]
    )

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with supervisor:
            yield

    app = Starlette(
        lifespan=lifespan,
        routes=[
            *health_routes(
                live={},
                ready={
                    "started": supervisor.check,
                    "kafka access": access.ready,
                    "consumer": consumer.ready,
                    "producer": producer.ready,
                    "facts": facts.ready,
                },
                registry=metric_set.registry,
            ),
            *asyncapi_routes("auditor", prefix=settings.topic_prefix, consumers=[consumer]),
        ],
    )
    app.router.redirect_slashes = False  # a redirect would repeat the `Host` that the client named
    return app, supervisor

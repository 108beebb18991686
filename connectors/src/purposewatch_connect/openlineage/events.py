"""Run events of OpenLineage become observations."""

from collections.abc import Callable, Iterator
from datetime import datetime
from hashlib import blake2b

from purposewatch_connect.documents import Document, objects_of, text_of, time_of
from purposewatch_connect.mapping import Action, Gap, GapKind, Observation, Terms, make_gap
from purposewatch_connect.openlineage.columns import read_columns, written_columns

_USING = frozenset({"RUNNING", "COMPLETE", "FAIL", "ABORT"})
"""States of a run in which its datasets have been used, or may have been."""
_STORES = ("abfss://", "dbfs://", "file", "gs://", "hdfs://", "s3://", "s3a://", "wasbs://")
"""Namespaces whose datasets are named by a path, which can hold personal data."""
_PURPOSE_TAG = "purposewatch.purpose"


class EventReader:
    """Reads events."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        """Take the clock for gaps of events without a time."""
        self._clock = clock

    def read(self, event: Document) -> tuple[tuple[Observation, ...], tuple[Gap, ...]]:
        """Return what an event says about accesses; nothing if it is about something else.

        Identities derive from the run, the dataset and its columns: what several events of a run
        say alike is one access.
        """
        if "run" not in event or text_of(event, "eventType") not in _USING:
            return (), ()
        run, time = text_of(event, "run", "runId"), time_of(text_of(event, "eventTime"))
        job = (text_of(event, "job", "namespace"), text_of(event, "job", "name"))
        if not run or time is None or not job[1]:
            return (), (self._unreadable(event, run, time, job),)
        return tuple(_observations(event, run, time, job)), ()

    def _unreadable(
        self, event: Document, run: str, time: datetime | None, job: tuple[str, str]
    ) -> Gap:
        identity = f"openlineage/{run}/{text_of(event, 'eventTime')}/{'/'.join(job)}"
        name = "/".join(filter(None, job)) or "openlineage"
        return make_gap(
            GapKind.UNREADABLE_RECORD, name, identity=identity, time=time or self._clock()
        )


def _observations(
    event: Document, run: str, time: datetime, job: tuple[str, str]
) -> Iterator[Observation]:
    namespace, name = job
    full = f"{namespace}/{name}"
    tags = _tags(event)
    outputs = objects_of(event, "outputs")
    uses = [(Action.READ, each) for each in objects_of(event, "inputs")]
    uses += [(Action.WRITE, each) for each in outputs]
    for action, dataset in uses:
        is_read = action is Action.READ
        columns, derivations = (
            (read_columns(dataset, outputs), {}) if is_read else written_columns(dataset)
        )
        store, path = text_of(dataset, "namespace"), text_of(dataset, "name")
        yield Observation(
            identity=f"openlineage/{run}/{action}/{_digest(store, path, columns)}",
            time=time,
            action=action,
            services=(full, name, namespace, full),
            dataset=dataset_name(store, path),
            columns=columns,
            derivations=derivations,
            attributes={
                "openlineage.job.namespace": namespace,
                "openlineage.job.name": name,
                "openlineage.dataset.namespace": store,
                **{f"openlineage.tag.{key}": value for key, value in tags.items()},
            },
            terms=Terms(purpose=tags.get(_PURPOSE_TAG)),
            label=store if store.startswith(_STORES) else None,
        )


def dataset_name(namespace: str, name: str) -> str:
    """Return the name under which the mapping knows a dataset.

    That is the name that the other connectors give it: `database.schema.table`,
    `s3://bucket/key`, `kafka://topic`.
    """
    if namespace.startswith("kafka://"):
        return f"kafka://{name}"
    if namespace.startswith(_STORES):
        return f"{namespace}/{name.removeprefix('/')}"
    return name


def _tags(event: Document) -> dict[str, str]:
    """Return the tags of the job, and of the run, which come before them."""
    tags = {}
    for where in ("job", "run"):
        for tag in objects_of(event, where, "facets", "tags", "tags"):
            tags[text_of(tag, "key")] = text_of(tag, "value")
    return tags


def _digest(namespace: str, name: str, columns: tuple[str, ...] | None) -> str:
    parts = (namespace, name, "*" if columns is None else "\0".join(sorted(columns)))
    return blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()

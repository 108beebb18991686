"""The events of OpenLineage's own examples, built and sent by the official client.

They are those of the client's documentation (*Python, Usage*), of the specification (*Example
Lineage Events*), and the events that its integrations send.
"""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from openlineage.client.event_v2 import (
    Dataset,
    InputDataset,
    Job,
    OutputDataset,
    Run,
    RunEvent,
    RunState,
)
from openlineage.client.facet_v2 import (
    column_lineage_dataset,
    data_quality_assertions_dataset,
    job_type_job,
    lifecycle_state_change_dataset,
    nominal_time_run,
    output_statistics_output_dataset,
    parent_run,
    processing_engine_run,
    source_code_location_job,
    sql_job,
    symlinks_dataset,
    tags_run,
)
from openlineage.client.naming import dataset as naming
from openlineage.client.uuid import generate_new_uuid

from tests.unit.connect.openlineage.receiver import Receiver, receiving, schema

MAPPING = """
    publisher: lineage
    defaults:
      controller: wework-labs
      role: member_employee
      purpose: essential.service.provision
      subject: {group: everybody}
    datasets:
      public.inventory: {personal: false}
      public.menus_1: {personal: false}
      public.orders_1: {categories: [user.contact.email]}
      temp_demo.user_history:
        columns: {id: user.unique_id, email_domain: user.contact.email, "*": not_personal}
      tmp_demo.user_counts: {personal: false}
      workshop.public.taxes: {categories: [user.financial]}
      workshop.public.unpaid_taxes: {categories: [user.financial]}
      instance.schema.table: {columns: {column1: user.name}}
      default.events: {columns: {event_id: user.unique_id, "*": not_personal}}
      test.t1: {columns: {a: user.unique_id, b: user.name}}
      test.xxx: {categories: [user.unique_id]}
      "kafka://signups": {categories: [user.name]}
      "s3://warehouse/crm/members": {categories: [user.contact.email]}
      mydb.myschema.mytable: {categories: [user.name]}
      my-project.my_dataset.my_table: {categories: [user.name]}
      "s3://my-bucket/path/*": {categories: [user.name]}
      mydb.public.users: {categories: [user.name]}
      "kafka://my-topic": {categories: [user.name]}
"""
PRODUCER = "https://github.com/openlineage-user"
USER_HISTORY = ("id", "email_domain", "status", "created_at", "load_filename")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Receiver]:
    """The whole application."""
    async with receiving(MAPPING, tmp_path_factory.mktemp("lineage")) as receiver:
        yield receiver


@pytest.fixture
def receiver(running: Receiver) -> Receiver:
    """The receiver with an empty spool."""
    running.empty()
    return running


def event(
    state: RunState,
    job: Job,
    run: Run,
    inputs: list[Any] | None = None,
    outputs: list[Any] | None = None,
) -> RunEvent:
    """An event of a run."""
    return RunEvent(
        eventType=state,
        eventTime="2026-03-02T08:15:00.001+10:00",
        run=run,
        job=job,
        producer=PRODUCER,
        inputs=inputs or [],
        outputs=outputs or [],
    )


def new_run(**facets: Any) -> Run:
    return Run(runId=str(generate_new_uuid()), facets=facets)


def symlink(namespace: str, name: str, kind: str) -> dict[str, Any]:
    """The facet that gives a dataset another name."""
    identifier = symlinks_dataset.Identifier(namespace, name, kind)
    return {"symlinks": symlinks_dataset.SymlinksDatasetFacet([identifier])}


def ids(receiver: Receiver) -> int:
    """How many accesses are distinct: those of several events of a run are one."""
    return len({each.id for each in receiver.spool.accesses})


def test_the_clients_first_example(receiver: Receiver) -> None:
    """A start without datasets; plain datasets, without facets, when it is complete."""
    job, run = Job(namespace="food_delivery", name="example.order_data"), new_run()
    inventory = Dataset(namespace="food_delivery", name="public.inventory")
    menus = Dataset(namespace="food_delivery", name="public.menus_1")
    orders = Dataset(namespace="food_delivery", name="public.orders_1")
    receiver.emit(event(RunState.START, job, run))
    receiver.emit(event(RunState.COMPLETE, job, run, [inventory], [menus, orders]))
    assert receiver.seen == [("store", ("user.contact.email",))]
    assert receiver.spool.accesses[0].service == "food_delivery/example.order_data"
    assert receiver.spool.accesses[0].time.isoformat() == "2026-03-01T22:15:00.001000+00:00"
    assert not receiver.gaps


def test_the_clients_full_example(receiver: Receiver) -> None:
    """A start and an end with the same datasets, schemas, and facets of job and run."""
    sql = "CREATE OR REPLACE TABLE TMP_DEMO.USER_COUNTS AS (SELECT …)"
    location = source_code_location_job.SourceCodeLocationJobFacet("git", f"{PRODUCER}/dags.py")
    job = Job(
        namespace="python_client",
        name="user_trends.create_user_counts",
        facets={"sql": sql_job.SQLJobFacet(query=sql), "sourceCodeLocation": location},
    )
    run = new_run(nominalTime=nominal_time_run.NominalTimeRunFacet("2022-04-14T08:12:00Z"))
    history = Dataset("snowflake://", "temp_demo.user_history", facets=schema(*USER_HISTORY))
    counts = Dataset("python_client", "tmp_demo.user_counts", facets={})
    for state in (RunState.START, RunState.COMPLETE):
        receiver.emit(event(state, job, run, [history], [counts]))
    assert set(receiver.seen) == {("use", ("user.unique_id", "user.contact.email"))}
    assert ids(receiver) == 1
    assert not receiver.gaps


def test_what_only_the_start_names_counts(receiver: Receiver) -> None:
    """As in the specification's examples: the input at the start, the output at the end."""
    job, run = Job(namespace="workshop", name="process_taxes"), new_run()
    taxes = InputDataset("postgres://workshop-db:None", "workshop.public.taxes")
    unpaid = OutputDataset("postgres://workshop-db:None", "workshop.public.unpaid_taxes")
    receiver.emit(event(RunState.START, job, run, [taxes]))
    receiver.emit(event(RunState.COMPLETE, job, run, [], [unpaid]))
    assert receiver.seen == [("use", ("user.financial",)), ("store", ("user.financial",))]


def test_the_specifications_full_example(receiver: Receiver) -> None:
    """Facets of other kinds, of the run, its parent, and its datasets, say nothing of accesses."""
    job = Job(namespace="my-scheduler-namespace", name="myjob.mytask")
    run = new_run(
        parent=parent_run.ParentRunFacet(
            parent_run.Run(str(generate_new_uuid())),
            parent_run.Job("my-scheduler-namespace", "myjob"),
        ),
        tags=tags_run.TagsRunFacet(
            [tags_run.TagsRunFacetFields("openlineage_client_version", "1.30.0", "CLIENT")]
        ),
    )
    assertion = data_quality_assertions_dataset.Assertion("no_null_values", success=True)
    table = ("my-datasource-namespace", "instance.schema.table")
    read = InputDataset(
        *table,
        facets=schema("column1"),
        inputFacets={
            "dataQualityAssertions": (
                data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet([assertion])
            )
        },
    )
    written = OutputDataset(
        *table,
        facets=schema("column1"),
        outputFacets={
            "outputStatistics": (
                output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(2000, 2097152)
            )
        },
    )
    receiver.emit(event(RunState.COMPLETE, job, run, [read], [written]))
    assert receiver.seen == [("use", ("user.name",)), ("store", ("user.name",))]


@pytest.mark.parametrize(
    "named",
    [
        naming.Snowflake("myorg", "myaccount", "mydb", "myschema", "mytable"),
        naming.BigQuery("my-project", "my_dataset", "my_table"),
        naming.S3("my-bucket", "path/to/file.parquet"),
        naming.Postgres("localhost", "5432", "mydb", "public", "users"),
        naming.Kafka("kafka.example.com", "9092", "my-topic"),
    ],
    ids=lambda named: type(named).__name__,
)
def test_names_of_the_clients_naming_helpers_are_mapped(receiver: Receiver, named: Any) -> None:
    """Without the server that is in the namespace."""
    dataset = InputDataset(named.get_namespace(), named.get_name())
    receiver.emit(event(RunState.COMPLETE, Job("n", "j"), new_run(), [dataset]))
    assert receiver.seen == [("use", ("user.name",))]


def test_files_are_known_by_the_table_that_they_are(receiver: Receiver) -> None:
    """As Spark names them; the table's namespace is the path of its warehouse."""
    events = InputDataset(
        "file",
        "/lake/delta/events",
        facets=schema("event_id", "last_updated_at")
        | symlink("file:/lake/delta", "default.events", "TABLE"),
    )
    receiver.emit(event(RunState.COMPLETE, Job("n", "delta_merge"), new_run(), [events]))
    assert receiver.seen == [("use", ("user.unique_id",))]
    unknown = InputDataset(
        "file", "/lake/m-7", facets=symlink("file:/lake", "default.people", "table")
    )
    receiver.emit(event(RunState.COMPLETE, Job("n", "delta_merge"), new_run(), [unknown]))
    assert receiver.gaps == [("unmapped_dataset", "default.people")]


def test_a_table_is_known_by_where_it_lies(receiver: Receiver) -> None:
    """If the mapping knows only the path."""
    facets = symlink("s3://warehouse", "/crm/members", "LOCATION")
    table = OutputDataset("hive://metastore:9083", "crm.members", facets=facets)
    receiver.emit(event(RunState.COMPLETE, Job("n", "load"), new_run(), [], [table]))
    assert receiver.seen == [("store", ("user.contact.email",))]


def test_column_lineage_may_refer_to_a_dataset_by_its_other_name(receiver: Receiver) -> None:
    """Then its columns are those that were read, too."""
    source = InputDataset(
        "file",
        "/warehouse/test.db/t1",
        facets=schema("a", "b") | symlink("hive://localhost:9083", "test.t1", "TABLE"),
    )
    receiver.emit(event(RunState.COMPLETE, *hive_run(), [source], [hive_output(masking=False)]))
    assert receiver.seen[0] == ("use", ("user.unique_id",))


def hive_run() -> tuple[Job, Run]:
    """A query of Hive."""
    job = Job(
        "default",
        "createtable_as_select.test.xxx",
        facets={"jobType": job_type_job.JobTypeJobFacet("BATCH", "HIVE", jobType="QUERY")},
    )
    engine = processing_engine_run.ProcessingEngineRunFacet("3.1.3", name="hive")
    return job, new_run(processing_engine=engine)


def hive_output(*, masking: bool | None) -> OutputDataset:
    """What it writes: a column made of `a`; without lineage if nothing is said of masking."""
    facets = schema("mt")
    if masking is not None:
        how = column_lineage_dataset.Transformation(
            "DIRECT", "TRANSFORMATION", description="", masking=masking
        )
        grouped = column_lineage_dataset.Transformation("INDIRECT", "GROUP_BY", masking=False)
        table = ("hive://localhost:9083", "test.t1", "a")
        facets["columnLineage"] = column_lineage_dataset.ColumnLineageDatasetFacet(
            {
                "mt": column_lineage_dataset.Fields(
                    [column_lineage_dataset.InputField(*table, [how])]
                )
            },
            [column_lineage_dataset.InputField(*table, [grouped])],
        )
    return OutputDataset("hive://localhost:9083", "test.xxx", facets=facets)


def test_hive_says_at_the_end_how_columns_are_made(receiver: Receiver) -> None:
    """So a masked column is not taken for a plain one at the start."""
    job, run = hive_run()
    source = InputDataset("hive://localhost:9083", "test.t1", facets=schema("a"))
    receiver.emit(event(RunState.START, job, run, [source], [hive_output(masking=None)]))
    receiver.emit(event(RunState.COMPLETE, job, run, [source], [hive_output(masking=True)]))
    assert set(receiver.seen) == {("use", ("user.unique_id",))}
    assert ids(receiver) == 1


def test_a_stream_names_its_datasets_at_the_start_alone(receiver: Receiver) -> None:
    """As Flink does; its other events say how it is doing."""
    kind = job_type_job.JobTypeJobFacet("STREAMING", "FLINK", jobType="JOB")
    job, run = Job("flink_jobs", "signups", facets={"jobType": kind}), new_run()
    topic = InputDataset("kafka://broker:9092", "signups")
    written = OutputDataset("postgres://db:5432", "workshop.public.taxes")
    receiver.emit(event(RunState.START, job, run, [topic], [written]))
    receiver.emit(event(RunState.RUNNING, job, run))
    assert receiver.seen == [("use", ("user.name",)), ("store", ("user.financial",))]


@pytest.mark.parametrize("change", ["DROP", "TRUNCATE"])
def test_what_is_dropped_is_erased(receiver: Receiver, change: str) -> None:
    """Though it is listed as an output; other changes write."""
    facet = lifecycle_state_change_dataset
    for each in (change, "OVERWRITE"):
        changed = facet.LifecycleStateChangeDatasetFacet(facet.LifecycleStateChange(each))
        table = OutputDataset("n", "test.xxx", facets={"lifecycleStateChange": changed})
        receiver.emit(event(RunState.COMPLETE, Job("n", "drop"), new_run(), [], [table]))
    assert [operation for operation, _ in receiver.seen] == ["erase", "store"]

"""Rows of ACCESS_HISTORY in the forms that Snowflake gives them, exported by each of its tools."""

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pytest

from purposewatch_connect.exports.reading import Reading, UnreadableFileError
from purposewatch_connect.exports.snowflake import read_snowflake

Rows = list[dict[str, Any]]

JSON_COLUMNS = (
    "DIRECT_OBJECTS_ACCESSED",
    "BASE_OBJECTS_ACCESSED",
    "OBJECTS_MODIFIED",
    "OBJECT_MODIFIED_BY_DDL",
    "POLICIES_REFERENCED",
)
MEMBERS = {
    "columns": [
        {"columnId": 68610, "columnName": "EMAIL"},
        {"columnId": 68611, "columnName": "Name, full"},
    ],
    "objectDomain": "Table",
    "objectId": 66564,
    "objectName": "CRM.PUBLIC.MEMBERS",
}
STAGE = {
    "objectDomain": "Stage",
    "objectId": 117,
    "objectName": "CRM.PUBLIC.EXPORTS",
    "stageKind": "External Named",
}
FUNCTION = {
    "objectDomain": "FUNCTION",
    "objectName": "CRM.PUBLIC.MASK",
    "objectId": "2",
    "argumentSignature": "(VALUE VARCHAR)",
    "dataType": "VARCHAR(16777216)",
}
FULL_READ = "read CRM.PUBLIC.MEMBERS ('EMAIL', 'Name, full')"


def row(number: int = 1, **changes: Any) -> dict[str, Any]:
    """A row of the view, joined with two columns of QUERY_HISTORY."""
    return {
        "QUERY_ID": f"01b2c3d4-0000-1111-0000-{number:012d}",
        "QUERY_START_TIME": "2026-03-02 08:15:00.388 +0000",
        "USER_NAME": "REPORT_BOT",
        "ROLE_NAME": "REPORTING",
        "QUERY_TAG": None,
        "DIRECT_OBJECTS_ACCESSED": [],
        "BASE_OBJECTS_ACCESSED": [],
        "OBJECTS_MODIFIED": [],
        "OBJECT_MODIFIED_BY_DDL": None,
        "POLICIES_REFERENCED": [],
        "PARENT_QUERY_ID": None,
        "ROOT_QUERY_ID": None,
    } | changes


def ddl(domain: str, name: str, operation: str, **properties: Any) -> dict[str, Any]:
    """What a statement of the definition language modified."""
    return {
        "objectDomain": domain,
        "objectId": 1,
        "objectName": name,
        "operationType": operation,
        "properties": properties,
    }


def seen(reading: Reading) -> list[str]:
    """What was done with which object and columns, or which gap there is."""
    return [
        f"{each.action} {each.dataset} {'*' if each.columns is None else each.columns}"
        for each in reading.observations
    ] + [f"{gap.kind} {gap.name}" for gap in reading.gaps]


def read(content: str | bytes) -> list[list[str]]:
    """Read the content of a file."""
    encoded = content.encode() if isinstance(content, str) else content
    return [seen(each) for each in read_snowflake(encoded)]


def texts(stated: dict[str, Any], null: str, indent: int | None = None) -> dict[str, str]:
    """The row as texts, as it stands in CSV."""
    return {
        name: null
        if value is None
        else value
        if isinstance(value, str)
        else json.dumps(value, indent=indent)
        for name, value in stated.items()
    }


def as_csv(rows: Rows, null: str, *, quoting: Any = csv.QUOTE_MINIMAL, end: str = "\n") -> str:
    """The rows as CSV with a header, and the arrays indented as Snowflake prints them."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), quoting=quoting, lineterminator=end)
    writer.writeheader()
    writer.writerows(texts(each, null, indent=2) for each in rows)
    return text.getvalue()


def snowsight(rows: Rows) -> str:
    """Downloaded from a worksheet: nothing for null."""
    return as_csv(rows, "")


def enclosed(rows: Rows) -> str:
    """Every value enclosed, and a word for null."""
    return as_csv(rows, "NULL", quoting=csv.QUOTE_ALL)


def unloaded_csv(rows: Rows) -> str:
    r"""Unloaded by `COPY INTO` with a header, each value enclosed: `\N` for null."""
    return as_csv(rows, r"\N")


def unloaded_json(rows: Rows) -> str:
    """Unloaded by `COPY INTO` as objects: nulls are left out, arrays are arrays."""
    return "".join(
        json.dumps({name: value for name, value in each.items() if value is not None}) + "\n"
        for each in rows
    )


def cli_csv(rows: Rows) -> str:
    """Printed by the CLI: the result of each statement of the file, and times in ISO 8601."""
    return f"status\nStatement executed successfully.\n\n{as_csv(iso(rows), '')}\n"


def cli_json(rows: Rows) -> str:
    """Printed by the CLI: a list for each statement, the arrays as text."""
    as_text = [
        each
        | {
            name: json.dumps(each[name], indent=2)
            for name in JSON_COLUMNS
            if each[name] is not None
        }
        for each in iso(rows)
    ]
    return json.dumps([[{"status": "Statement executed successfully."}], as_text], indent=4)


def cli_json_of_one_statement(rows: Rows) -> str:
    """Printed by the CLI: one list."""
    return json.dumps(iso(rows), indent=4)


def iso(rows: Rows) -> Rows:
    """The rows with the times as Python writes them."""
    return [each | {"QUERY_START_TIME": "2026-03-02T08:15:00.388000+00:00"} for each in rows]


ROWS = [
    row(1, DIRECT_OBJECTS_ACCESSED=[MEMBERS], BASE_OBJECTS_ACCESSED=[MEMBERS]),
    row(2, BASE_OBJECTS_ACCESSED=[MEMBERS], OBJECTS_MODIFIED=[STAGE], QUERY_TAG="loader"),
    row(3, OBJECT_MODIFIED_BY_DDL=ddl("Table", "CRM.PUBLIC.MEMBERS", "DROP")),
]


@pytest.mark.parametrize(
    "tool",
    [
        snowsight,
        enclosed,
        unloaded_csv,
        unloaded_json,
        cli_csv,
        cli_json,
        cli_json_of_one_statement,
    ],
)
def test_each_tool_exports_the_same(tool: Callable[[Rows], str]) -> None:
    """Whatever it writes for null and for arrays, and whatever it prints before."""
    readings = list(read_snowflake(tool(ROWS).encode()))
    assert [seen(each) for each in readings] == [
        [FULL_READ],
        [FULL_READ, "write CRM.PUBLIC.EXPORTS *"],
        ["delete CRM.PUBLIC.MEMBERS *"],
    ]
    first, second = readings[0].observations[0], readings[1].observations[0]
    assert (first.services, second.services) == (
        ("REPORTING", "REPORT_BOT"),
        ("loader", "REPORTING", "REPORT_BOT"),
    )
    assert first.time.isoformat() == "2026-03-02T08:15:00.388000+00:00"
    assert first.attributes.get("snowflake.query_tag") is None


@pytest.mark.parametrize(
    "time",
    [
        "2026-03-02 00:15:00.388 -0800",
        "2026-03-02 08:15:00.388000000 +0000",
        "2026-03-02 08:15:00.388 Z",
        "2026-03-02T08:15:00.388+00:00",
    ],
)
def test_a_time_has_an_offset_in_any_format(time: str) -> None:
    """Without one, the row can't be read."""
    (reading,) = read_snowflake(snowsight([ROWS[0] | {"QUERY_START_TIME": time}]).encode())
    assert reading.observations[0].time.isoformat() == "2026-03-02T08:15:00.388000+00:00"


def test_a_time_may_be_written_as_in_an_email() -> None:
    """The output format that Snowflake's documentation shows."""
    stated = ROWS[0] | {"QUERY_START_TIME": "Mon, 02 Mar 2026 08:15:00 -0800"}
    (reading,) = read_snowflake(unloaded_json([stated]).encode())
    assert reading.observations[0].time.isoformat() == "2026-03-02T16:15:00+00:00"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        # an object's domain in another case, and an id as text
        (
            {"BASE_OBJECTS_ACCESSED": [MEMBERS | {"objectDomain": "TABLE", "objectId": "7"}]},
            [FULL_READ],
        ),
        # code beside data, and code alone where the query names the data
        ({"BASE_OBJECTS_ACCESSED": [FUNCTION, MEMBERS]}, [FULL_READ]),
        (
            {"BASE_OBJECTS_ACCESSED": [FUNCTION], "DIRECT_OBJECTS_ACCESSED": [FUNCTION, MEMBERS]},
            [FULL_READ],
        ),
        (
            {
                "DIRECT_OBJECTS_ACCESSED": [
                    {"objectDomain": "PROCEDURE", "objectName": "CRM.PUBLIC.P"}
                ]
            },
            [],
        ),
        # files outside: `COPY INTO 's3://…'`, `PUT` and `GET`
        (
            {"OBJECTS_MODIFIED": [{"locations": ["s3://exports/members/", "s3://exports/2/"]}]},
            ["write s3://exports/members/ *", "write s3://exports/2/ *"],
        ),
        ({"OBJECTS_MODIFIED": [{"location": "file:///home/m/"}]}, ["write file:///home/m/ *"]),
        (
            {
                "BASE_OBJECTS_ACCESSED": [{"location": "file:///tmp/members.csv"}],
                "OBJECTS_MODIFIED": [STAGE],
            },
            ["read file:///tmp/members.csv *", "write CRM.PUBLIC.EXPORTS *"],
        ),
        # written columns with their sources, in both spellings
        (
            {
                "OBJECTS_MODIFIED": [
                    MEMBERS
                    | {
                        "columns": [
                            {
                                "columnId": 1,
                                "columnName": "EMAIL",
                                "baseSources": [],
                                "directSources": [],
                            },
                            {
                                "columnId": "2",
                                "columnName": "ID",
                                "directSourceColumns": [FUNCTION],
                            },
                        ]
                    }
                ]
            },
            ["write CRM.PUBLIC.MEMBERS ('EMAIL', 'ID')"],
        ),
        # policies, which say nothing about an access of its own
        (
            {
                "POLICIES_REFERENCED": [
                    MEMBERS | {"policies": [{"policyName": "g.p.mask", "policyId": 9}]}
                ]
            },
            [],
        ),
    ],
)
def test_each_form_of_an_object_is_read(changes: dict[str, Any], expected: list[str]) -> None:
    """Whether exported as arrays or as text."""
    assert read(unloaded_json([row(**changes)])) == [expected]
    assert read(snowsight([row(**changes)])) == [expected]


@pytest.mark.parametrize(
    ("modified", "expected"),
    [
        (ddl("TABLE", "crm.public.members", "DROP"), ["delete crm.public.members *"]),
        (ddl("Dynamic table", "CRM.PUBLIC.D", "DROP"), ["delete CRM.PUBLIC.D *"]),
        (ddl("Schema", "CRM.PUBLIC", "DROP"), ["delete CRM.PUBLIC *"]),
        (
            ddl(
                "Table",
                "CRM.PUBLIC.MEMBERS",
                "ALTER",
                columns={
                    "EMAIL": {"objectId": {"value": 1}, "subOperationType": "DROP"},
                    "NAME": {
                        "subOperationType": "ALTER",
                        "tags": {"t": {"subOperationType": "DROP"}},
                    },
                },
            ),
            ["delete CRM.PUBLIC.MEMBERS ('EMAIL',)"],
        ),
        (
            ddl(
                "Table", "CRM.PUBLIC.MEMBERS", "CREATE", columns={"ID": {"subOperationType": "ADD"}}
            ),
            [],
        ),
        (ddl("Table", "CRM.PUBLIC.A", "ALTER", swapTargetName={"value": "CRM.PUBLIC.B"}), []),
        (ddl("View", "CRM.PUBLIC.V", "DROP"), []),
        (ddl("External table", "CRM.PUBLIC.E", "DROP"), []),
        (ddl("MASKING_POLICY", "CRM.PUBLIC.MASK", "DROP"), []),
    ],
)
def test_what_is_dropped_is_erased(modified: dict[str, Any], expected: list[str]) -> None:
    """Tables, what holds them, and columns; nothing else that a statement defines."""
    stated = row(OBJECT_MODIFIED_BY_DDL=modified)
    assert read(unloaded_json([stated])) == [expected]
    assert read(snowsight([stated])) == [expected]


def test_an_address_of_files_shows_neither_in_gaps_nor_in_ids() -> None:
    """It can hold personal data, as an object's key can."""
    stated = row(
        OBJECTS_MODIFIED=[{"locations": ["s3://exports/m-7/"]}, {"location": "file:///m-7\ud800"}]
    )
    (reading,) = read_snowflake(unloaded_json([stated]).encode())
    assert [each.label for each in reading.observations] == ["s3://exports", "file://"]
    assert not any("m-7" in each.identity for each in reading.observations)


def test_rows_of_several_files_may_follow_each_other() -> None:
    """Each with its header; a row that is cut off is a gap."""
    assert read(snowsight(ROWS[:1]) + snowsight(ROWS[:1]) + "a,b\n") == [
        [FULL_READ],
        [FULL_READ],
        ["unreadable_record snowflake"],
    ]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"PAR1\x15\x04", "Parquet"),
        (b"status\nStatement executed successfully.\n", "QUERY_ID"),
        (b'[[{"status": "Statement executed successfully."}]]', "QUERY_ID"),
        (b'[{"QUERY_ID": "1"}', "not JSON"),
    ],
)
def test_a_file_without_rows_of_the_view_is_a_fault(content: bytes, fault: str) -> None:
    """It is not taken for an empty export."""
    with pytest.raises(UnreadableFileError, match=fault):
        list(read_snowflake(content))


def test_an_empty_result_is_no_fault() -> None:
    """Nothing was accessed."""
    assert read("[]") == []
    assert read("QUERY_ID,QUERY_START_TIME\n") == []

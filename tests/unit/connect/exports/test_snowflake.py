"""Exports of ACCESS_HISTORY: which objects and columns become accesses, and by whom."""

import csv
import io
import json
from typing import Any

import pytest

from purposewatch_connect.exports.snowflake import read_snowflake
from tests.unit.connect.exports.conftest import Publisher, Write

MAPPING = """
    publisher: warehouse-log
    defaults: {controller: wework-labs, role: member_employee}
    services:
      REPORTING: {purpose: essential.service.provision}
      loader: {}
    datasets:
      crm.public.members:
        subject: {group: every-member}
        columns:
          email: user.contact.email
          name: user.name
          id: user.unique_id
      crm.public.copies:
        subject: {group: every-member}
        categories: [user.contact.email]
"""


def accessed(name: str, *columns: str, domain: str = "Table", **more: Any) -> dict[str, Any]:
    """An object as the view's arrays have it."""
    named = [{"columnId": number, "columnName": each} for number, each in enumerate(columns)]
    return {"objectDomain": domain, "objectId": 17, "objectName": name, "columns": named} | more


MEMBERS = accessed("CRM.PUBLIC.MEMBERS", "EMAIL", "NAME")
VIEW = accessed("CRM.PUBLIC.MEMBERS_VIEW", "EMAIL", domain="View")


def row(**changes: Any) -> dict[str, Any]:
    """A row of the view, joined with columns of QUERY_HISTORY."""
    return {
        "QUERY_ID": "01b2c3d4-0000-1111-0000-000000000001",
        "QUERY_START_TIME": "2026-03-02 08:15:00.388 +0000",
        "USER_NAME": "REPORT_BOT",
        "ROLE_NAME": "REPORTING",
        "DIRECT_OBJECTS_ACCESSED": [VIEW],
        "BASE_OBJECTS_ACCESSED": [MEMBERS],
        "OBJECTS_MODIFIED": [],
    } | changes


def json_lines(*rows: dict[str, Any]) -> bytes:
    return "".join(json.dumps(each) + "\n" for each in rows).encode()


def as_csv(*rows: dict[str, Any]) -> bytes:
    """As an export has it: arrays are JSON in a quoted field."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(name.lower() for name in rows[0])
    for each in rows:
        writer.writerow(
            json.dumps(value, indent=2) if isinstance(value, list) else value
            for value in each.values()
        )
    return text.getvalue().encode()


@pytest.fixture(autouse=True)
def mapped(publisher: Publisher) -> None:
    """Map two tables."""
    publisher.map(MAPPING)


def test_a_row_becomes_accesses_to_the_tables_behind_its_views(
    publisher: Publisher, write: Write
) -> None:
    """With the categories of their columns; JSON lines and CSV say the same, under the same id."""
    files = write("1.json", json_lines(row())), write("2.csv", as_csv(row()))
    summary = publisher.publish(read_snowflake, *files)
    assert (summary.records, summary.accesses, summary.gaps) == (2, 2, {})
    first, second = publisher.spool.accesses
    assert first == second
    assert (first.service, first.operation, first.purpose, first.subject_id) == (
        "REPORTING",
        "use",
        "essential.service.provision",
        "every-member",
    )
    assert first.data_categories == ("user.contact.email", "user.name")
    assert first.time.isoformat() == "2026-03-02T08:15:00.388000+00:00"


def test_the_query_tag_names_service_and_purpose(publisher: Publisher, write: Write) -> None:
    """Before the role and the user."""
    tagged = row(QUERY_TAG="loader:essential.service.payment_processing")
    publisher.publish(read_snowflake, write("1.json", json_lines(tagged)))
    (access,) = publisher.spool.accesses
    assert (access.service, access.purpose) == (
        "loader",
        "essential.service.payment_processing",
    )


def test_what_was_modified_is_stored_or_erased(publisher: Publisher, write: Write) -> None:
    """By the type of the query; an object that is listed twice is one use."""
    copies = accessed("CRM.PUBLIC.COPIES", "EMAIL", directSources=[])
    rows = [
        row(OBJECTS_MODIFIED=[copies]),
        row(
            QUERY_ID="q-2",
            QUERY_TYPE="DELETE",
            BASE_OBJECTS_ACCESSED=[
                accessed("CRM.PUBLIC.MEMBERS", "ID"),
                accessed('CRM.PUBLIC."MEMBERS"', "ID"),
            ],
            OBJECTS_MODIFIED=[accessed("CRM.PUBLIC.MEMBERS")],
        ),
    ]
    publisher.publish(read_snowflake, write("1.json", json_lines(*rows)))
    assert [(each.operation, each.data_categories) for each in publisher.spool.accesses] == [
        ("use", ("user.contact.email", "user.name")),
        ("store", ("user.contact.email",)),
        ("use", ("user.unique_id",)),
        ("erase", ("user.contact.email", "user.name", "user.unique_id")),
    ]
    assert len({each.id for each in publisher.spool.accesses}) == 4


def test_functions_and_counted_rows_are_no_accesses(publisher: Publisher, write: Write) -> None:
    """A function has no data; `count(*)` uses no column."""
    function = {"objectDomain": "FUNCTION", "objectName": "CRM.PUBLIC.F", "objectId": "2"}
    counted = row(BASE_OBJECTS_ACCESSED=[function, accessed("CRM.PUBLIC.MEMBERS")])
    publisher.publish(read_snowflake, write("1.json", json_lines(counted)))
    assert not publisher.spool.accesses
    assert not publisher.spool.gaps


@pytest.mark.parametrize(
    ("content", "gap"),
    [
        (json_lines(row(QUERY_START_TIME="2026-03-02 08:15:00")), "unreadable_record snowflake"),
        (json_lines(row(BASE_OBJECTS_ACCESSED="[{")), "unreadable_record snowflake"),
        (json_lines(row(QUERY_ID=None)), "unreadable_record snowflake"),
        (json_lines(row())[:-9] + b"\n", "unreadable_record snowflake"),
        (as_csv(row()).rstrip() + b",more\n", "unreadable_record snowflake"),
        (
            json_lines(row(BASE_OBJECTS_ACCESSED=[accessed("CRM.PUBLIC.CARDS", "PAN")])),
            "unmapped_dataset CRM.PUBLIC.CARDS",
        ),
        (
            json_lines(row(BASE_OBJECTS_ACCESSED=[accessed("CRM.PUBLIC.MEMBERS", "PHONE")])),
            "unmapped_column CRM.PUBLIC.MEMBERS.PHONE",
        ),
        (json_lines(row(ROLE_NAME="SYSADMIN")), "unmapped_service REPORT_BOT"),
    ],
)
def test_what_cannot_be_mapped_is_a_gap(
    publisher: Publisher, write: Write, content: bytes, gap: str
) -> None:
    """With the same id when it is read again."""
    path = write("1", content)
    assert publisher.publish(read_snowflake, path, path).gaps == {gap: 2}
    first, second = publisher.spool.gaps
    assert first.id == second.id
    assert not publisher.spool.accesses


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"\xff\xfe", "the file is not in UTF-8"),
        (b"a,b\n1,2\n", "the file is neither JSON nor CSV with a column `QUERY_ID`"),
        (b'query_id\n"1"x\n', "line 2 is not CSV; what follows is not read"),
    ],
)
def test_a_file_in_another_form_is_a_fault(
    publisher: Publisher, write: Write, content: bytes, fault: str
) -> None:
    """The file is named, and what is wrong with it."""
    path = write("1", content)
    assert publisher.publish(read_snowflake, path).faults == (f"{path}: {fault}",)

"""Entries of pgaudit, as its version 1.7 writes them, become observations."""

from dataclasses import replace
from typing import Any

import pytest

from purposewatch_connect.mapping import Observation
from purposewatch_connect.pgaudit.audit import AuditReader, Database, named_services
from purposewatch_connect.sql import Catalogue
from tests.unit.connect.pgaudit.test_entries import ENTRY

DATABASE = Database(
    Catalogue(
        {"public.users": ("id", "email"), "public.v": ("id", "email")},
        {"public.v": "SELECT users.id, users.email FROM users;"},
    ),
    {"app": "The portal. purposewatch: portal:essential.service"},
)
BY_ID = "SESSION,2,1,READ,SELECT,,,select email from users where id=$1,"
RELATION = "SESSION,23,1,READ,SELECT,%s,%s,select * from v where id=1,<none>"


def read(audit: str, **changes: Any) -> list[Observation]:
    observations, gaps = AuditReader("main").read(replace(ENTRY, audit=audit, **changes), DATABASE)
    assert gaps == ()
    return list(observations)


def test_a_statement_with_parameters() -> None:
    """The parameter that the subject's column is compared with is its identifier."""
    (seen,) = read('SESSION,2,1,READ,SELECT,,,select email from users where id=$1,"7,""x,y"""')

    assert seen.identity == "pgaudit/main/6b0b0c8d.5fb0/2/0"
    assert (seen.dataset, seen.columns) == ("portal.public.users", ("email", "id"))
    assert seen.subjects == {"id": ("7",)}
    assert seen.services == ("crm", "portal", "app")
    assert seen.terms.purpose == "essential.service"


def test_parameters_that_are_not_logged_leave_the_subject_open() -> None:
    """As they do when they are null."""
    for parameters in ("<not logged>", '""'):
        (seen,) = read(BY_ID + parameters)
        assert seen.subjects == {}


@pytest.mark.parametrize(
    "audit",
    [
        "SESSION,7,1,DDL,CREATE TABLE,TABLE,public.x,create table x (a int),<none>",
        "SESSION,7,1,MISC,SET,,,set jit=off,<none>",
        "SESSION,12,1,READ,PREPARE,,,prepare q as select email from users,<none>",
        "SESSION,15,2,READ,DECLARE CURSOR,,,declare c cursor for select email from users,<none>",
        "SESSION,9,1,READ,SELECT,,,select relname from pg_catalog.pg_class,<none>",
        RELATION % ("VIEW", "public.v"),
    ],
)
def test_what_touches_no_personal_data_is_ignored(audit: str) -> None:
    """Or is logged by another entry."""
    assert read(audit) == []


def test_a_line_for_each_relation_stands_for_that_relation() -> None:
    """With `pgaudit.log_relation`; columns of a view are those of its tables."""
    (seen,) = read(RELATION % ("TABLE", "public.users"))
    assert (seen.dataset, seen.columns, seen.subjects) == (
        "portal.public.users",
        ("id", "email"),
        {"id": ("1",)},
    )
    insert = (
        "SESSION,24,1,%s,INSERT,TABLE,public.users,insert into users select * from users,<none>"
    )
    assert [str(each.action) for each in read(insert % "WRITE")] == ["write"]
    assert [str(each.action) for each in read(insert % "READ")] == ["read"]
    update = "SESSION,25,1,WRITE,UPDATE,TABLE,public.users,update users set email='q' where id=1,"
    assert [str(each.action) for each in read(f"{update}<none>")] == ["write", "read"]


def test_a_relation_that_the_statement_does_not_name_is_used_as_a_whole() -> None:
    """For example by a rule or a trigger."""
    (seen,) = read("SESSION,3,1,WRITE,INSERT,TABLE,public.log,insert into users values (1),<none>")
    assert (seen.dataset, seen.columns) == ("portal.public.log", None)
    (seen,) = read("SESSION,2,5,READ,SELECT,TABLE,public.users,,7")  # in a function of SQL
    assert (seen.dataset, seen.columns) == ("portal.public.users", None)


@pytest.mark.parametrize(
    ("audit", "gap"),
    [
        ("SESSION,1,1,READ,SELECT,,,selekt 'ann',<none>", ("unparsed_statement", "portal/SELECT")),
        (
            "SESSION,1,1,READ,SELECT,,,<previously logged>,<previously logged>",
            ("unparsed_statement", "portal/SELECT"),
        ),
        ("SESSION,2,5,READ,SELECT,,,,7", ("unparsed_statement", "portal/SELECT")),
        ("SESSION,1", ("unreadable_record", "portal")),
        ('SESSION,1,"', ("unreadable_record", "portal")),
    ],
)
def test_what_cannot_be_read_is_a_gap(audit: str, gap: tuple[str, str]) -> None:
    """Named after the database and the command."""
    observations, gaps = AuditReader("main").read(replace(ENTRY, audit=audit), DATABASE)

    assert observations == ()
    assert [(each.kind, each.name) for each in gaps] == [gap]


@pytest.mark.parametrize(
    ("application", "comment", "services", "purpose"),
    [
        (
            "crm:essential.service",
            "purposewatch: portal",
            ("crm", "portal", "app"),
            "essential.service",
        ),
        ("crm", "purposewatch: portal:finance", ("crm", "portal", "app"), "finance"),
        ("PostgreSQL JDBC Driver", "", ("app",), None),
        ("", "Ann's own role", ("app",), None),
    ],
)
def test_application_name_and_comment_name_service_and_purpose(
    application: str, comment: str, services: tuple[str, ...], purpose: str | None
) -> None:
    """The application's come first; the role's own name is the last resort."""
    entry = replace(ENTRY, application=application)
    assert named_services(entry, {"app": comment}) == (services, purpose)

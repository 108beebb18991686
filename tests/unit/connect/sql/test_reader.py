"""Which tables, columns and rows statements use."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from purposewatch_connect.sql import Catalogue, StatementReader, UnparsedStatementError, numbered
from purposewatch_connect.sql.template import template_of

CATALOGUE = Catalogue(
    {
        "public.users": ("id", "email", "phone"),
        "public.visits": ("id", "user_id", "at"),
        "public.v": ("id", "mail"),
        "public.w": ("mail",),
        "ann.notes": ("id", "text"),
        "public.notes": ("id",),
    },
    {
        "public.v": "SELECT users.id, users.email AS mail FROM users;",
        "public.w": "SELECT v.mail FROM v;",
    },
)
ALL_USERS = "id email phone"
DELETE = "delete from users where id = "
PARAMETERS = numbered(("11", "22", None, "{1,2}")) | {"name": "n"}

CASES = {
    "select email from users where id = 7 and phone in ('1', $1) limit 10": [
        ("public.users", "read", "email id phone", {"id": ("7",), "phone": ("1", "11")}),
    ],
    "select * from users": [("public.users", "read", ALL_USERS, {})],
    "select * from public.USERS where 'o''x' = \"id\"": [
        ("public.users", "read", ALL_USERS, {"id": ("o'x",)}),
    ],
    "select email from users where id = 1 or id = 2": [("public.users", "read", "email id", {})],
    "select email from users where id = $3": [("public.users", "read", "email id", {})],
    "select email from users where id = any($4)": [
        ("public.users", "read", "email id", {"id": ("1", "2")}),
    ],
    "select email from users where id = any(array[1, $2])": [
        ("public.users", "read", "email id", {"id": ("1", "22")}),
    ],
    "select email from users where (id)::text = $1::text": [
        ("public.users", "read", "email id", {"id": ("11",)}),
    ],
    "select email from users where id = $$7$$ and email <> E'a\\'b' -- id = 8\n": [
        ("public.users", "read", "email id", {"id": ("7",)}),
    ],
    "select email from users where id = :name": [
        ("public.users", "read", "email id", {"id": ("n",)}),
    ],
    "select email from users where id = ?": [("public.users", "read", "email id", {})],
    "select email from users where id = %s": [("public.users", "read", "email id", {})],
    "select count(*) from users": [],
    "select 1 from users": [],
    "select count(*) from users where email ilike '%@x'": [("public.users", "read", "email", {})],
    "select u from users u": [("public.users", "read", None, {})],
    "select to_jsonb(u.*) from unknown u": [("public.unknown", "read", None, {})],
    "select a from unknown where id = 3": [("public.unknown", "read", "a id", {"id": ("3",)})],
    "select * from unknown": [("public.unknown", "read", None, {})],
    "select a from unknown, other": [
        ("public.unknown", "read", None, {}),
        ("public.other", "read", None, {}),
    ],
    "select text from notes": [("ann.notes", "read", "text", {})],
    "select mail from v where id = 5": [("public.users", "read", "id email", {"id": ("5",)})],
    "select * from w": [("public.users", "read", "email", {})],
    "select q.email from (select id, email from users) q where q.id = 8": [
        ("public.users", "read", "id email", {"id": ("8",)}),
    ],
    "select q.n from (select id, count(email) over () as n from users) q where q.id = 8": [
        ("public.users", "read", "id email", {}),
    ],
    "select q.email from (select id, email from users limit 1) q where q.id = 8": [
        ("public.users", "read", "id email", {}),
    ],
    "select email from users where not id = 8": [("public.users", "read", "email id", {})],
    "select email from users where id = (select user_id from visits where at = $1)": [
        ("public.visits", "read", "user_id at", {"at": ("11",)}),
        ("public.users", "read", "email id", {}),
    ],
    "select u.email, t.at from users u join visits t on t.user_id = u.id where u.id = 'x'": [
        ("public.users", "read", "email id", {"id": ("x",)}),
        ("public.visits", "read", "at user_id", {"user_id": ("x",)}),
    ],
    "select u.email from users u left join visits t on u.id = 9": [
        ("public.users", "read", "email id", {}),
    ],
    "select email from users union all select at from visits": [
        ("public.users", "read", "email", {}),
        ("public.visits", "read", "at", {}),
    ],
    "with users as (select * from users) select email from users": [
        ("public.users", "read", "email", {}),
    ],
    "with q as (select id, email from users) select a.email from q a, q b where a.id = 5": [
        ("public.users", "read", "id email", {}),
    ],
    "select exists (select 1 from visits where user_id = u.id) from users u where u.id = 4": [
        ("public.visits", "read", "user_id", {"user_id": ("4",)}),
        ("public.users", "read", "id", {"id": ("4",)}),
    ],
    "select x from generate_series(1, 3) x": [],
    "select relname from pg_class": [("pg_catalog.pg_class", "read", "relname", {})],
    "insert into users (id, email) values ($1, $2), (33, 'x') on conflict (id) do update "
    "set phone = excluded.phone returning *": [
        ("public.users", "write", ALL_USERS, {"id": ("11", "33"), "email": ("22", "x")}),
    ],
    "insert into users values (1, 'a')": [
        ("public.users", "write", ALL_USERS, {"id": ("1",), "email": ("a",)}),
    ],
    "insert into visits select * from visits where user_id = 5": [
        ("public.visits", "read", "id user_id at", {"user_id": ("5",)}),
        ("public.visits", "write", "id user_id at", {}),
    ],
    "update users set email = $1, phone = upper(email) where id = $2 returning id": [
        ("public.users", "write", "email phone", {"id": ("22",)}),
        ("public.users", "read", "email id", {"id": ("22",)}),
    ],
    "update users u set email = 'x' from visits t where t.user_id = u.id and t.id = 3": [
        ("public.users", "write", "email", {}),
        ("public.users", "read", "id", {}),
        ("public.visits", "read", "user_id id", {"id": ("3",)}),
    ],
    "delete from users using visits t where users.id = $1 and t.user_id = users.id": [
        ("public.users", "delete", ALL_USERS, {"id": ("11",)}),
        ("public.visits", "read", "user_id", {"user_id": ("11",)}),
    ],
    "with d as (delete from users where id = $1 returning *) select email from d": [
        ("public.users", "delete", ALL_USERS, {"id": ("11",)}),
    ],
    "merge into users u using visits n on u.id = n.id when matched then delete": [
        ("public.users", "write", ALL_USERS, {}),
        ("public.visits", "read", "id user_id at", {}),
    ],
    "truncate users, visits": [
        ("public.users", "delete", ALL_USERS, {}),
        ("public.visits", "delete", "id user_id at", {}),
    ],
    "copy users (id, email) to stdout": [("public.users", "read", "id email", {})],
    "copy users from '/tmp/x' with (format csv)": [("public.users", "write", ALL_USERS, {})],
    "copy (select email from users) to stdout": [("public.users", "read", "email", {})],
    "create table x as select email from users": [
        ("public.x", "write", None, {}),
        ("public.users", "read", "email", {}),
    ],
    "create view x as select email from users": [],
    "select email into x from users": [
        ("public.x", "write", None, {}),
        ("public.users", "read", "email", {}),
    ],
    "declare c cursor for select email from users": [("public.users", "read", "email", {})],
    "prepare q (int) as select email from users where id = $1": [
        ("public.users", "read", "email id", {"id": ("11",)}),
    ],
    "explain (analyze) select email from users": [("public.users", "read", "email", {})],
    "select email::varchar(10), date '2020-01-01' from users": [
        ("public.users", "read", "email", {}),
    ],
    "(select email from users where id = x)": [("public.users", "read", None, {})],
    "select email from users; delete from visits where user_id = 5": [
        ("public.users", "read", "email", {}),
        ("public.visits", "delete", "id user_id at", {"user_id": ("5",)}),
    ],
}


@pytest.fixture(scope="module")
def reader() -> StatementReader:
    """One reader for all cases, so that its cache is tested as well."""
    return StatementReader()


@pytest.mark.parametrize(("statement", "expected"), CASES.items(), ids=list(CASES))
def test_statement_uses(
    statement: str,
    expected: list[tuple[str, str, str | None, dict[str, tuple[str, ...]]]],
    reader: StatementReader,
) -> None:
    """Tables and columns, and the values that columns are limited to; the second time as well."""
    for _ in range(2):
        read = reader.read(statement, CATALOGUE, ("ann", "public"))
        found = [
            (
                use.table,
                str(use.action),
                None if use.columns is None else " ".join(use.columns),
                read.subjects(use, PARAMETERS),
            )
            for use in read.uses
        ]
        assert found == expected


@pytest.mark.parametrize(
    "statement",
    ["selekt 1", "", "-- users", "select ' from users", "lock table users", "x" * 200_001],
)
def test_what_cannot_be_parsed_is_said_without_quoting_it(
    statement: str,
    reader: StatementReader,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Neither the error nor anything that the library logs holds a part of the statement."""
    with pytest.raises(UnparsedStatementError) as raised:
        reader.read(statement, CATALOGUE)

    assert str(raised.value) == ""
    assert caplog.text == ""
    assert "users" not in "".join(capsys.readouterr())


def repeated(statement: str, separator: str, *parts: str) -> str:
    """The statement with the parts in place of `...`."""
    return statement.replace("...", separator.join(parts))


COSTLY = {
    "conditions": repeated("select * from users where ...", " or ", *["id = 1"] * 4_000),
    "terms": repeated("select ... from users", " + ", *["id"] * 4_000),
    "nesting": "select " + "(" * 900 + "1" + ")" * 900,
    "tables": repeated("select * from ...", ", ", *(f"users u{n}" for n in range(300))),
    "columns": repeated(
        "with q0 as (select * from users), ... select * from q29",
        ", ",
        *(
            "qN as (select * from qM a, qM b)".replace("N", str(n)).replace("M", str(n - 1))
            for n in range(1, 30)
        ),
    ),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("statement", COSTLY.values(), ids=list(COSTLY))
def test_a_statement_cannot_take_long(statement: str, reader: StatementReader) -> None:
    """What would take minutes is refused in the time that it takes to read it."""
    with pytest.raises(UnparsedStatementError):
        reader.read(statement, CATALOGUE)


def test_statements_that_differ_in_values_are_analysed_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And each has its own values."""
    analysed = []
    reader = StatementReader()
    original = reader._analyse

    def counting(*given: Any) -> Any:
        analysed.append(given)
        return original(*given)

    monkeypatch.setattr(reader, "_analyse", counting)
    for value in ("1", "'x'", "$$y$$"):
        read = reader.read(DELETE + value, CATALOGUE)
        (use,) = read.uses
        assert read.subjects(use) == {"id": (value.strip("'$"),)}
    assert len(analysed) == 1


def test_a_new_catalogue_is_used() -> None:
    """A column that was added is among those of `*`."""
    reader = StatementReader()
    reader.read("select * from t", Catalogue({"public.t": ("a",)}))
    read = reader.read("select * from t", Catalogue({"public.t": ("a", "b")}))

    assert [use.columns for use in read.uses] == [("a", "b")]


VALUES = st.text(alphabet="ab'$-/*\\ \n\"é", max_size=8)


@given(VALUES, st.integers(0, 10**9), st.sampled_from(["q", "quoted"]))
def test_templates_hold_no_literal(text: str, number: int, quoting: str) -> None:
    """Whatever a text holds, it is one literal, and the template is the same for all."""
    quoted = text.replace("'", "''")
    template = template_of(f"{quoting} = '{quoted}' and b = {number}")

    assert template.literals == (text, str(number))
    assert template.text == f"{quoting} = :pw_l1 and b = :pw_l2"

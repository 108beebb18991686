"""Statements on tagged tables become accesses with exactly the columns that they touch."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import pytest
from sqlalchemy import (
    Column,
    Engine,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    and_,
    create_engine,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    text,
    union_all,
    update,
)
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    aliased,
    joinedload,
    load_only,
    mapped_column,
    relationship,
    selectinload,
)

import purposewatch_client as purposewatch
from purposewatch_client import Category, ClientSettings, DataSubject
from purposewatch_client.integrations.sqlalchemy import audit
from purposewatch_client.integrations.sqlalchemy.statement import Access
from purposewatch_client.testing import Captured

EMAIL, NAME, ROOM = "user.contact.email", "user.name", "user.office.bookings"
MemberId = Annotated[int, DataSubject("member")]


class Base(DeclarativeBase):
    pass


class Member(Base):
    __tablename__ = "members"

    id: Mapped[MemberId] = mapped_column(primary_key=True)
    email: Mapped[Annotated[str, Category(EMAIL)]]
    name: Mapped[Annotated[str | None, Category(NAME)]]
    floor: Mapped[int] = mapped_column(default=1)
    bookings: Mapped[list["Booking"]] = relationship(back_populates="by")


class Booking(Base):
    __tablename__ = "bookings"

    id: Mapped[int] = mapped_column(primary_key=True)
    member: Mapped[MemberId] = mapped_column(ForeignKey(Member.id))
    room: Mapped[Annotated[str, Category(ROOM)]]
    by: Mapped[Member] = relationship(back_populates="bookings")


Seen = tuple[str, str, list[str]]


@pytest.fixture
def engine(configured: None, captured: Captured) -> Iterator[Engine]:
    """A database with two members and a booking, and nothing captured yet."""
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all(
            [
                Member(id=1, email="a@b", name="Ann", bookings=[Booking(id=7, room="Taipei")]),
                Member(id=2, email="c@d", name="Bo"),
            ]
        )
        session.commit()
    audit(engine, Base)
    with purposewatch.defaults(purpose="essential.service.provision"):
        yield engine
    engine.dispose()


@pytest.fixture
def seen(captured: Captured) -> Callable[[], list[Seen]]:
    """What was captured since the last call: operation, subject and categories."""
    taken = 0

    def take() -> list[Seen]:
        nonlocal taken
        events = captured.events[taken:]
        taken += len(events)
        assert all(event["data"]["role"] == "member" for event in events)
        return [
            (
                event["data"]["operation"],
                event["data"]["subject_id"],
                event["data"]["data_categories"],
            )
            for event in events
        ]

    return take


Alias = aliased(Member)
_SUBQUERY = select(Member.id, Member.email, func.upper(Member.name).label("n")).subquery()

SELECTS = [
    (select(Member).where(Member.id == 1), [("use", "1", [EMAIL, NAME])]),
    (select(Member.email).where(Member.id == 1), [("use", "1", [EMAIL])]),
    (select(func.lower(Member.name)).where(Member.id == 1), [("use", "1", [NAME])]),
    (
        select(Member).where(Member.id == 1).options(load_only(Member.name)),
        [("use", "1", [NAME])],
    ),
    (select(Alias.email).where(Alias.id == 2, Alias.floor > 0), [("use", "2", [EMAIL])]),
    (
        select(Member.email).where(Member.id.in_([1, 2])),
        [("use", "1", [EMAIL]), ("use", "2", [EMAIL])],
    ),
    (
        select(Booking).where(Booking.member == 1).options(joinedload(Booking.by)),
        [("use", "1", [ROOM, EMAIL, NAME])],
    ),
    (select(_SUBQUERY.c.n).where(_SUBQUERY.c.id == 1), [("use", "1", [NAME])]),
    (
        select(Booking.id, select(Member.email).where(Member.id == 1).scalar_subquery()).where(
            Booking.member == 1
        ),
        [("use", "1", [EMAIL])],
    ),
    (
        select(Member.email).where(and_(Member.floor > 0, and_(Member.id == 1).self_group())),
        [("use", "1", [EMAIL])],
    ),
    (select(Member.__table__.c.email).where(Member.__table__.c.id == 1), [("use", "1", [EMAIL])]),
    # nothing of a person is read
    (select(Member.id).where(Member.id == 1), []),
    (select(func.count()).select_from(Member), []),
    (select(exists(select(Member.email)).label("any")).where(Member.id == 1), []),
]


@pytest.mark.parametrize(("statement", "expected"), SELECTS, ids=lambda each: None)
def test_a_select_is_a_use_of_the_selected_columns(
    engine: Engine, seen: Callable[[], list[Seen]], statement: Any, expected: list[Seen]
) -> None:
    """Twice, since SQLAlchemy reuses what it compiled."""
    for _ in range(2):
        with Session(engine) as session:
            session.execute(statement).all()
        assert seen() == expected


def test_the_subject_is_the_one_of_each_execution(
    engine: Engine, seen: Callable[[], list[Seen]]
) -> None:
    """Although the statement is compiled once."""
    with Session(engine) as session:
        for member in (1, 2):
            session.execute(select(Member.email).where(Member.id == member)).all()
    assert seen() == [("use", "1", [EMAIL]), ("use", "2", [EMAIL])]


def test_loading_by_key_lazily_and_in_a_second_select_is_seen(
    engine: Engine, seen: Callable[[], list[Seen]]
) -> None:
    """What the ORM executes by itself counts as well."""
    with Session(engine) as session:
        member = session.get(Member, 1)
        assert member is not None
        assert seen() == [("use", "1", [EMAIL, NAME])]
        assert member.bookings[0].room == "Taipei"
        assert seen() == [("use", "1", [ROOM])]
        session.expire_all()
        with purposewatch.defaults(subject="everybody", role="member"):
            session.scalars(select(Member).options(selectinload(Member.bookings))).all()
        assert seen() == [
            ("use", "everybody", [EMAIL, NAME]),
            ("use", "1", [ROOM]),
            ("use", "2", [ROOM]),
        ]


def test_inserts_and_updates_store_what_they_set(
    engine: Engine, seen: Callable[[], list[Seen]]
) -> None:
    """By the ORM and by statements, with keys of one's own and with generated ones."""
    with Session(engine) as session:
        session.add(Member(email="e@f", name="Cy"))
        session.commit()
        assert seen() == [("store", "3", [EMAIL, NAME])]
        session.execute(insert(Member).values(id=4, email="g@h"))
        assert seen() == [("store", "4", [EMAIL])]
        session.execute(insert(Member), [{"id": 5, "email": "i@j"}, {"id": 6, "email": "k@l"}])
        assert seen() == [("store", "5", [EMAIL]), ("store", "6", [EMAIL])]
        session.execute(
            Member.metadata.tables["members"]
            .insert()
            .values([{"id": 7, "email": "m"}, {"id": 8, "email": "n"}])
        )
        assert seen() == [("store", "7", [EMAIL]), ("store", "8", [EMAIL])]
        again = sqlite_insert(Member).values(id=4, email="g@h")
        again = again.on_conflict_do_update(index_elements=["id"], set_={"name": "Dora"})
        session.execute(again)
        assert seen() == [("store", "4", [EMAIL, NAME])]
        session.execute(update(Member).where(Member.id == 4).values(name="Di"))
        assert seen() == [("store", "4", [NAME])]
        session.execute(update(Member), [{"id": 5, "name": "x"}, {"id": 6, "name": "y"}])
        assert seen() == [("store", "5", [NAME]), ("store", "6", [NAME])]
        session.execute(update(Member).where(Member.id == 5).values(floor=9))
        assert seen() == []


def test_a_changed_instance_stores_the_changed_columns(
    engine: Engine, seen: Callable[[], list[Seen]]
) -> None:
    """A change of the name does not write the address."""
    with Session(engine) as session:
        member = session.get_one(Member, 2)
        member.name = "Bea"
        seen()
        session.commit()
    assert seen() == [("store", "2", [NAME])]


def test_returning_reads_what_it_returns(engine: Engine, seen: Callable[[], list[Seen]]) -> None:
    """About the subject that is written."""
    with Session(engine) as session:
        changed = update(Member).where(Member.id == 2).values(floor=3).returning(Member.email)
        session.execute(changed).all()
        assert seen() == [("use", "2", [EMAIL])]


def test_a_delete_erases_all_tagged_columns(engine: Engine, seen: Callable[[], list[Seen]]) -> None:
    """Of an instance, and by a statement."""
    with Session(engine) as session:
        session.delete(session.get_one(Booking, 7, options=[load_only(Booking.id)]))
        with purposewatch.defaults(subject="1", role="member"):
            session.flush()
        assert seen()[-1] == ("erase", "1", [ROOM])
        session.execute(delete(Member).where(Member.id == 2))
        assert seen() == [("erase", "2", [EMAIL, NAME])]


def test_columns_of_core_tables_are_tagged_in_their_info(
    captured: Captured, configured: None
) -> None:
    """Without any class."""
    metadata = MetaData()
    guests = Table(
        "guests",
        metadata,
        Column("id", Integer, primary_key=True, info={"purposewatch": DataSubject("visitor")}),
        Column("plate", String, info={"purposewatch": "user.government_id.vehicle_registration"}),
    )
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    audit(engine, metadata)
    with engine.begin() as connection, purposewatch.defaults(purpose="essential.service.parking"):
        connection.execute(guests.insert().values(plate="AB-1"))
        connection.execute(union_all(select(guests.c.plate), select(guests.c.plate)))
    [event] = captured.events
    assert event["data"]["subject_id"] == "1"
    assert event["data"]["data_categories"] == ["user.government_id.vehicle_registration"]
    assert purposewatch.gap_counts() == {("sqlalchemy", "unresolved_subject", "guests"): 1}
    engine.dispose()


def test_what_cannot_be_resolved_is_counted_and_the_query_goes_on(
    engine: Engine, captured: Captured
) -> None:
    """Raw SQL about a tagged table, subjects that nothing names, a missing purpose."""
    with Session(engine) as session:
        assert session.execute(text("SELECT email FROM members")).all() == [("a@b",), ("c@d",)]
        session.execute(text("SELECT 1")).all()
        session.execute(text("pragma table_info('members')")).all()
        session.connection().exec_driver_sql("select name from MEMBERS").all()
        session.execute(select(Member).from_statement(text("SELECT * FROM members"))).all()
        assert purposewatch.gap_counts() == {("sqlalchemy", "unparsed_statement", "members"): 3}
        session.execute(select(Member.email)).all()
        session.execute(select(Member.email).where(or_(Member.id == 1, Member.floor == 1))).all()
        with purposewatch.defaults(purpose=None):
            session.execute(select(Member.email).where(Member.id == 1)).all()
    assert captured.events == []
    assert purposewatch.gap_counts() == {
        ("sqlalchemy", "unparsed_statement", "members"): 3,
        ("sqlalchemy", "unresolved_subject", "members"): 2,
        ("sqlalchemy", "unknown_purpose", "members"): 1,
    }
    sent = [(gap["kind"], gap["name"], gap["count"]) for gap in captured.gaps]
    assert sent == [
        *[("unparsed_statement", "members", 1)] * 3,
        *[("unresolved_subject", "members", 1)] * 2,
        ("unknown_purpose", "members", 1),
    ]
    assert {gap["controller"] for gap in captured.gaps} == {"wework-labs"}


def test_subjects_beyond_the_limit_are_counted(
    configured: None, captured: Captured, seen: Callable[[], list[Seen]]
) -> None:
    """One statement must not fill the spool."""
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    audit(engine, Base, max_subjects=2)
    with Session(engine) as session, purposewatch.defaults(purpose="essential.service.records"):
        session.execute(select(Member.email).where(Member.id.in_(range(5)))).all()
    assert [subject for _, subject, _ in seen()] == ["0", "1"]
    assert purposewatch.gap_counts() == {("sqlalchemy", "unresolved_subject", "members"): 3}
    assert [gap["count"] for gap in captured.gaps] == [3]
    engine.dispose()


def test_a_defect_of_the_integration_is_counted_and_the_query_goes_on(
    engine: Engine, captured: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is audited must not depend on the audit."""
    monkeypatch.setattr(Access, "subjects", lambda self, context: 1 / 0)
    with Session(engine) as session:
        assert session.get_one(Member, 1).email == "a@b"
    assert captured.events == []
    assert purposewatch.gap_counts() == {("sqlalchemy", "unreadable_record", "statement"): 1}


def test_what_a_client_that_logs_errors_lacks_is_counted_as_well(
    engine: Engine, captured: Captured
) -> None:
    """As in production, where a wrong field raises nothing."""
    settings = ClientSettings(source="/tests")
    with (
        purposewatch.using(purposewatch.Client(settings, captured)),
        Session(engine) as session,
    ):
        session.get_one(Member, 1)
    assert captured.events == []
    assert purposewatch.gap_counts() == {("sqlalchemy", "unknown_controller", "members"): 1}


def test_a_purpose_that_is_no_term_is_a_gap(engine: Engine, captured: Captured) -> None:
    """Ingest would refuse the event."""
    with purposewatch.defaults(purpose="Marketing!"), Session(engine) as session:
        session.get_one(Member, 1)
    assert captured.events == []
    assert purposewatch.gap_counts() == {("sqlalchemy", "unknown_term", "members"): 1}


def test_a_full_spool_stops_the_query_if_the_application_chose_that(engine: Engine) -> None:
    """Then nothing happens that is not recorded."""

    class Full(purposewatch.MemorySink):
        def append(self, event: bytes, /) -> None:
            raise purposewatch.NotRecordedError("full", "the spool is full")  # noqa: EM101

    settings = ClientSettings(source="/tests", controller="wework-labs", when_full="raise")
    with (
        purposewatch.using(purposewatch.Client(settings, Full())),
        Session(engine) as session,
        pytest.raises(purposewatch.NotRecordedError),
    ):
        session.get_one(Member, 1)


def test_what_holds_no_tables_is_refused() -> None:
    """Otherwise nothing would ever be recorded."""
    with pytest.raises(TypeError, match="name a declarative base, a registry or a `MetaData`"):
        audit(create_engine("sqlite://"), Member.__table__)


def test_within_an_access_about_the_same_subject_the_columns_are_part_of_it(
    engine: Engine, seen: Callable[[], list[Seen]]
) -> None:
    """Another subject's, or another operation, is an access of its own."""
    with (
        Session(engine) as session,
        purposewatch.access(subject=1, role="member", operation="use", categories=["user.device"]),
    ):
        session.execute(select(Member.email).where(Member.id == 1)).all()
        session.execute(select(Member.name)).all()  # names no subject: that of the access
        session.execute(select(Member.name).where(Member.id == 2)).all()
        session.execute(update(Member).values(name="z"))
    assert seen() == [
        ("use", "2", [NAME]),
        ("store", "1", [NAME]),
        ("use", "1", ["user.device", EMAIL, NAME]),
    ]


def test_an_access_gets_its_subject_from_the_result(engine: Engine, captured: Captured) -> None:
    """Where the condition names no subject; the role is that of the table."""
    with Session(engine) as session, purposewatch.access(operation="use") as access:
        member = session.scalars(select(Member).where(Member.email == "c@d")).one()
        access.set(subject=member.id)
        session.execute(select(Booking.room).where(Booking.member == 1)).all()
    first, second = captured.events
    assert (first["data"]["subject_id"], first["data"]["data_categories"]) == ("1", [ROOM])
    assert (second["data"]["subject_id"], second["data"]["role"]) == ("2", "member")
    assert second["data"]["data_categories"] == [EMAIL, NAME]
    assert purposewatch.gap_counts() == {}


def test_asynchronous_engines_are_audited(
    configured: None, captured: Captured, seen: Callable[[], list[Seen]]
) -> None:
    """The purpose of the task reaches the hook."""

    async def run() -> None:
        engine = create_async_engine("sqlite+aiosqlite://")
        audit(engine, Base)
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        with purposewatch.defaults(purpose="essential.service.provision"):
            async with AsyncSession(engine) as session:
                session.add(Member(id=1, email="a@b"))
                await session.commit()
        await engine.dispose()

    asyncio.run(run())
    assert seen() == [("store", "1", [EMAIL, NAME])]

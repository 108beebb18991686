"""What a block or a function accesses is recorded once, with the defaults of its context."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

import purposewatch_client as purposewatch
from purposewatch_client import Client, ClientSettings, EventError, MemorySink


@pytest.fixture
def sink() -> Iterator[MemorySink]:
    """Events that are recorded within the test."""
    sink = MemorySink()
    settings = ClientSettings(source="/portal", controller="wework-labs", role="member")
    with purposewatch.using(Client(settings, sink)):
        yield sink


def data(sink: MemorySink) -> list[dict[str, Any]]:
    """The `data` of each event."""
    return [event["data"] for event in sink.events]


def test_a_block_is_one_event(sink: MemorySink) -> None:
    """With every category that was added, each once."""
    with purposewatch.access(
        subject=1, operation="use", purpose="service", categories="user.name"
    ) as access:
        access.add("user.contact.email", "user.name")
        assert purposewatch.current_access() is access
        assert sink.events == []

    assert purposewatch.current_access() is None
    assert [event["id"] for event in sink.events] == [access.event_id]
    assert data(sink)[0]["data_categories"] == ["user.name", "user.contact.email"]


def test_a_block_that_raises_is_recorded(sink: MemorySink) -> None:
    """The data may have been read by then."""
    with (
        pytest.raises(KeyError),
        purposewatch.access(subject=1, operation="use", purpose="service", categories="user"),
    ):
        raise KeyError
    assert len(sink.events) == 1


def test_a_cancelled_block_is_not_recorded(sink: MemorySink) -> None:
    """The caller knows that nothing was read."""
    with purposewatch.access(
        subject=1, operation="use", purpose="service", categories="user"
    ) as access:
        access.cancel()
    assert sink.events == []


def test_a_block_without_categories_is_not_recorded(sink: MemorySink) -> None:
    """Nothing was accessed."""
    with purposewatch.access(subject=1, operation="use", purpose="service"):
        pass
    assert sink.events == []


def test_fields_may_be_set_within_the_block(sink: MemorySink) -> None:
    """Some are known only there."""
    with purposewatch.access(operation="use", purpose="service", categories="user") as access:
        access.set(subject=7, categories=["user.name"])
    assert data(sink)[0]["subject_id"] == "7"
    assert data(sink)[0]["data_categories"] == ["user.name"]


def test_defaults_nest(sink: MemorySink) -> None:
    """The call wins over the inner block, that over the outer one, that over the settings."""
    with purposewatch.defaults(purpose="outer", operation="use", role="visitor"):
        with purposewatch.defaults(purpose="inner"):
            purposewatch.record(subject=1, categories="user")
            purposewatch.record(subject=2, categories="user", purpose="call")
        purposewatch.record(subject=3, categories="user")
    assert [each["purpose"] for each in data(sink)] == ["inner", "call", "outer"]
    assert {each["role"] for each in data(sink)} == {"visitor"}
    assert purposewatch.current_defaults() == {}


async def test_defaults_belong_to_a_task(sink: MemorySink) -> None:
    """Tasks that run at the same time do not see each other's."""

    async def handle(purpose: str) -> None:
        with purposewatch.defaults(purpose=purpose):
            await asyncio.sleep(0)
            purposewatch.record(subject=purpose, operation="use", categories="user")

    await asyncio.gather(*(handle(f"p{number}") for number in range(5)))
    assert all(each["purpose"] == each["subject_id"] for each in data(sink))


def test_a_function_is_decorated(sink: MemorySink) -> None:
    """Each call is an event, with fields from its arguments."""

    @purposewatch.access(subject=lambda customer, **_: customer, operation="use", purpose="service")
    def load(customer: int, *, email: bool) -> str:
        """Load."""
        access = purposewatch.current_access()
        assert access is not None
        access.add("user.contact.email" if email else "user.name")
        return f"{customer}"

    assert [load(1, email=True), load(2, email=False)] == ["1", "2"]
    assert load.__name__ == "load"
    assert [(each["subject_id"], *each["data_categories"]) for each in data(sink)] == [
        ("1", "user.contact.email"),
        ("2", "user.name"),
    ]


async def test_a_coroutine_function_is_decorated(sink: MemorySink) -> None:
    """The access ends with the coroutine."""

    @purposewatch.access(
        subject=lambda each: each, operation="use", purpose="service", categories="user"
    )
    async def load(customer: int) -> int:
        await asyncio.sleep(0)
        return customer

    assert list(await asyncio.gather(load(1), load(2))) == [1, 2]
    assert {each["subject_id"] for each in data(sink)} == {"1", "2"}


def test_a_generator_can_not_be_decorated() -> None:
    """It would leave its access behind in the contexts that it runs in."""
    with pytest.raises(TypeError, match="with access"):

        @purposewatch.access(operation="use")
        def load() -> Iterator[int]:
            yield 1


def test_a_wrong_call_breaks_nothing(sink: MemorySink, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, and the function's result is returned."""

    def broken(_: int) -> int:
        raise KeyError("secret")  # noqa: EM101

    @purposewatch.access(subject=broken, operation="use", purpose="service", categories="user")
    def load(customer: int) -> int:
        return customer

    assert load(3) == 3
    with purposewatch.access(subject=1, categories="user", purpose="service") as access:
        access.add(["user.name"])  # type: ignore[arg-type]
    assert sink.events == []
    assert "`subject` is missing" in caplog.text
    assert "`operation` is missing" in caplog.text
    assert "secret" not in caplog.text


def test_a_wrong_call_raises_if_that_is_wanted() -> None:
    """In development."""
    settings = ClientSettings(source="/portal", on_error="raise")
    with pytest.raises(EventError, match="`controller` is missing"):
        Client(settings, MemorySink()).record(subject=1)

"""`defaults`: for a block, a function, a coroutine function."""

import asyncio
import inspect
from collections.abc import Iterator
from contextlib import suppress

import pytest

from purposewatch_client import current_defaults, defaults

PURPOSE = "essential.service.provision"


def test_blocks_nest_field_by_field() -> None:
    """And the ones before are in force again afterwards, also after an error."""
    with defaults(purpose=PURPOSE, role="member"):
        with suppress(ValueError), defaults(role="visitor"):
            assert dict(current_defaults()) == {"purpose": PURPOSE, "role": "visitor"}
            raise ValueError
        assert dict(current_defaults()) == {"purpose": PURPOSE, "role": "member"}
    assert dict(current_defaults()) == {}


def test_a_function_has_its_defaults_in_each_call() -> None:
    """Also one that calls itself; its signature stays."""

    @defaults(purpose=PURPOSE)
    def count(down: int) -> int:
        """Count."""
        assert current_defaults()["purpose"] == PURPOSE
        return count(down - 1) if down else 0

    assert count(2) == 0
    assert dict(current_defaults()) == {}
    assert (count.__doc__, list(inspect.signature(count).parameters)) == ("Count.", ["down"])


def test_a_coroutine_function_has_its_defaults_while_it_runs() -> None:
    """Not only while the coroutine is made; concurrent ones do not see each other's."""

    def of_role(role: str) -> None:
        assert dict(current_defaults()) == {"role": role}

    @defaults(role="member")
    async def member() -> None:
        await asyncio.sleep(0)
        of_role("member")

    @defaults(role="visitor")
    async def visitor() -> None:
        await asyncio.sleep(0)
        of_role("visitor")

    async def both() -> None:
        await asyncio.gather(member(), visitor())
        await member()
        assert dict(current_defaults()) == {}

    asyncio.run(both())


def test_a_generator_is_refused() -> None:
    """Its body runs when the decorator has long returned."""

    def numbers() -> Iterator[int]:
        yield 1

    with pytest.raises(TypeError, match="a generator can't be decorated"):
        defaults(role="member")(numbers)

"""Pseudonyms: keys by controller, their rotation, and those that are kept for each subject."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy.exc import SQLAlchemyError

from purposewatch_contract import PSEUDONYM_PATTERN
from purposewatch_ingest.pseudonyms.derived import DerivedPseudonyms, Pseudonymiser
from purposewatch_ingest.pseudonyms.interface import Recognised, SubjectsUnavailableError
from purposewatch_ingest.pseudonyms.key_file import load_key_ring
from purposewatch_ingest.pseudonyms.keys import ALL_OTHERS, KeyRing, SubjectKey
from purposewatch_ingest.pseudonyms.stored import StoredPseudonyms
from purposewatch_policy import InvalidSourceError

OLD, NEW, OTHER = b"o" * 32, b"n" * 32, b"x" * 32
SWITCH = datetime(2026, 3, 1, tzinfo=UTC)
BEFORE, AFTER = datetime(2026, 2, 28, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)
RING = KeyRing(
    {
        "acme": [SubjectKey("a1", OLD), SubjectKey("a2", NEW, SWITCH)],
        ALL_OTHERS: [SubjectKey("1", OTHER)],
    }
)
FILE = f"""
keys:
  acme:
    - {{id: a2, key: {NEW.hex()}, from: 2026-03-01T00:00:00Z}}
    - {{id: a1, key: {OLD.hex()}}}
  "*":
    - {{id: 1, key: {OTHER.hex()}}}
"""


async def test_each_controller_has_its_keys_and_the_newest_counts_from_its_time() -> None:
    """What is derived from an old key is still recognised."""
    pseudonyms = DerivedPseudonyms(lambda: RING)
    old, new = Pseudonymiser(OLD, "a1")("acme", "4711"), Pseudonymiser(NEW, "a2")("acme", "4711")
    assert pseudonyms.begin(BEFORE)("acme", "4711") == old
    batch = pseudonyms.begin(SWITCH)
    assert batch("acme", "4711") == new
    assert batch("other", "4711") == Pseudonymiser(OTHER, "1")("other", "4711")
    assert not await batch.resolve()
    assert await pseudonyms.recognised("acme", "4711", AFTER) == Recognised(new, (old,))
    assert await pseudonyms.recognised("acme", "4711", BEFORE) == Recognised(old, (new,))
    await pseudonyms.forget("acme", "4711")
    assert pseudonyms.begin(AFTER)("acme", "4711") == new


def test_keys_are_read_from_a_file(tmp_path: Path) -> None:
    """By controller; before its first key's time a controller has its first key."""
    path = tmp_path / "keys.yaml"
    path.write_text(FILE)
    ring = load_key_ring(path)
    assert [key.id for key in ring.recognised("acme")] == ["a2", "a1"]
    assert ring.current("acme", BEFORE).key == OLD
    assert ring.current("acme", AFTER).key == NEW
    assert ring.current("elsewhere", datetime(1960, 1, 1, tzinfo=UTC)).key == OTHER
    assert NEW.hex() not in repr(ring.current("acme", AFTER))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("keys: {}", "keys of other controllers are missing"),
        ("other: {}", "unknown field `other`"),
        (f"keys: {{acme: [{{id: a, key: {OLD.hex()}}}]}}", "keys of other controllers are missing"),
        (f'keys: {{"*": [{{id: A-1, key: {OLD.hex()}}}]}}', "lower-case letters or digits"),
        ('keys: {"*": [{id: a, key: secretsecret}]}', "not at least 32 bytes"),
        ('keys: {"*": [{id: a}]}', "lacks `key`"),
        ('keys: {"*": []}', "has no keys"),
        (f'keys: {{"*": [{{id: a, key: {OLD.hex()}, from: noon}}]}}', "`from`"),
        (f'keys: {{"A": [], "*": [{{id: a, key: {OLD.hex()}}}]}}', "not a controller's"),
        (
            f'keys: {{"*": [{{id: a, key: {OLD.hex()}}}, {{id: a, key: {NEW.hex()}}}]}}',
            "the same `id`",
        ),
    ],
)
def test_a_faulty_file_is_refused_without_showing_a_key(
    tmp_path: Path, text: str, message: str
) -> None:
    """The last valid one stays in use."""
    path = tmp_path / "keys.yaml"
    path.write_text(text)
    with pytest.raises(InvalidSourceError) as raised:
        load_key_ring(path)
    assert message in str(raised.value)
    assert OLD.hex() not in str(raised.value)
    assert "secretsecret" not in str(raised.value)


@asynccontextmanager
async def stored(
    directory: Path, keys: KeyRing = RING, clock: Mapping[str, float] = {"now": 0.0}
) -> AsyncIterator[StoredPseudonyms]:
    """One process's view of a database, whose clock is the mapping's."""
    pseudonyms = StoredPseudonyms(
        SecretStr(f"sqlite+aiosqlite:///{directory / 'subjects.db'}"),
        lambda: keys,
        cache_seconds=60,
        cache_subjects=100,
        clock=lambda: clock["now"],
    )
    await pseudonyms.start()
    try:
        yield pseudonyms
    finally:
        await pseudonyms.stop()


async def given(pseudonyms: StoredPseudonyms, *subjects: str) -> list[str]:
    """The pseudonyms that a batch gives."""
    batch = pseudonyms.begin(AFTER)
    first = [batch("acme", subject) for subject in subjects]
    if not await batch.resolve():
        return first
    found = [batch("acme", subject) for subject in subjects]
    assert not await batch.resolve()
    return found


async def test_kept_pseudonyms_are_random_and_stay(tmp_path: Path) -> None:
    """For a batch of any size, in another process and after a start too."""
    subjects = [str(number) for number in range(900)]
    async with stored(tmp_path) as one, stored(tmp_path) as two:
        found = await given(one, *subjects)
        assert len(set(found)) == 900
        assert all(re.fullmatch(PSEUDONYM_PATTERN, each) for each in found)
        assert await given(two, *subjects) == found
        derived = tuple(Pseudonymiser(*key)("acme", "7") for key in ((NEW, "a2"), (OLD, "a1")))
        assert await one.recognised("acme", "7", AFTER) == Recognised(found[7], derived)
        assert (await one.recognised("acme", "unheard-of", AFTER)).in_use is None
    async with stored(tmp_path) as later:
        assert await given(later, "7") == [found[7]]
        assert await given(later, "new") != [found[7]]


async def test_processes_agree_on_a_subject_that_both_see_first(tmp_path: Path) -> None:
    """At the same time, and in another order."""
    async with stored(tmp_path) as one, stored(tmp_path) as two:
        first, second = await asyncio.gather(given(one, "a", "b"), given(two, "b", "a"))
    assert first == second[::-1]


async def test_keys_are_replaced_while_pseudonyms_stay(tmp_path: Path) -> None:
    """A subject that was seen with both keys is known under the new one alone."""
    only_old = KeyRing({ALL_OTHERS: [SubjectKey("a1", OLD)]})
    only_new = KeyRing({ALL_OTHERS: [SubjectKey("a2", NEW)]})
    async with stored(tmp_path, only_old) as before:
        [pseudonym] = await given(before, "4711")
    async with stored(tmp_path) as both:
        assert await given(both, "4711") == [pseudonym]
    async with stored(tmp_path, only_new) as after:
        assert await given(after, "4711") == [pseudonym]


async def test_a_forgotten_subject_gets_a_pseudonym_that_leads_to_nothing_before(
    tmp_path: Path,
) -> None:
    """Here at once, and in another process when what it remembers is old; no row is left."""
    clock = {"now": 0.0}
    async with stored(tmp_path) as one, stored(tmp_path, clock=clock) as two:
        [old] = await given(one, "4711")
        assert await given(two, "4711") == [old]
        assert await one.forget("acme", "4711")
        assert not await one.forget("acme", "4711")
        assert (await one.recognised("acme", "4711", AFTER)).in_use is None
        assert await given(two, "4711") == [old]
        clock["now"] = 60.0
        [new] = await given(two, "4711")
        assert new != old
        assert await given(one, "4711") == [new]
    raw = (tmp_path / "subjects.db").read_bytes()
    assert bytes.fromhex(old[-32:]) not in raw
    assert bytes.fromhex(new[-32:]) in raw
    assert b"4711" not in raw


async def test_a_database_that_does_not_answer_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which says nothing of the subject."""
    async with stored(tmp_path) as pseudonyms:

        async def fail(*_: object) -> None:
            message = "4711"
            raise SQLAlchemyError(message)

        for name in ("decide", "find", "delete"):
            monkeypatch.setattr(pseudonyms._table, name, fail)
        for asked in (
            given(pseudonyms, "4711"),
            pseudonyms.recognised("acme", "4711", AFTER),
            pseudonyms.forget("acme", "4711"),
        ):
            with pytest.raises(SubjectsUnavailableError) as raised:
                await asked
            assert "4711" not in str(raised.value)

"""Pseudonyms that are kept in PostgreSQL, for several processes of ingest at once."""

import asyncio
from datetime import UTC, datetime

from pydantic import SecretStr

from purposewatch_ingest.pseudonyms.keys import ALL_OTHERS, KeyRing, SubjectKey
from purposewatch_ingest.pseudonyms.stored import StoredPseudonyms
from tests.harness.postgresql import PostgreSQL, require_postgresql

NOW = datetime(2026, 3, 2, tzinfo=UTC)
RING = KeyRing(
    {ALL_OTHERS: [SubjectKey("1", b"o" * 32), SubjectKey("2", b"n" * 32, NOW.replace(year=2025))]}
)
PROCESSES, SUBJECTS = 4, 600


async def given(pseudonyms: StoredPseudonyms, subjects: list[str]) -> dict[str, str]:
    """The pseudonyms that a batch gives."""
    batch = pseudonyms.begin(NOW)
    for subject in subjects:
        batch("acme", subject)
    await batch.resolve()
    return {subject: batch("acme", subject) for subject in subjects}


async def test_processes_agree_and_forget() -> None:
    """They start at once and meet new subjects in different orders; none blocks another."""
    with PostgreSQL(require_postgresql()) as server:
        await server.start()
        url = SecretStr(server.url(await server.create_database()))
        processes = [
            StoredPseudonyms(url, lambda: RING, cache_seconds=0, cache_subjects=10)
            for _ in range(PROCESSES)
        ]
        await asyncio.gather(*(each.start() for each in processes))
        try:
            subjects = [f"subject-{number}" for number in range(SUBJECTS)]
            orders = [subjects, subjects[::-1], subjects[::2] + subjects[1::2], subjects[300:]]
            async with asyncio.timeout(30):
                found = await asyncio.gather(*map(given, processes, orders))
            assert all(one == {name: found[0][name] for name in one} for one in found)
            assert len(set(found[0].values())) == SUBJECTS
            assert await processes[1].forget("acme", subjects[7])
            assert (await processes[2].recognised("acme", subjects[7], NOW)).in_use is None
            again = await given(processes[3], subjects)
            assert [name for name in subjects if again[name] != found[0][name]] == [subjects[7]]
        finally:
            await asyncio.gather(*(each.stop() for each in processes))

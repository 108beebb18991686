"""Runs one target under atheris, which keeps inputs that reach new code and changes them further.

`python -m tests.fuzz.guided TARGET [libFuzzer's arguments]`; `tests.fuzz.run` calls it.
"""

import os
import sys
from random import Random

import atheris

os.environ["PURPOSEWATCH_ENGINE"] = "interpreted"  # compiled code shows no coverage

with atheris.instrument_imports(
    include=[
        "purposewatch_policy",
        "purposewatch_contract",
        "purposewatch_runtime",
        "purposewatch_ingest",
        "purposewatch_auditor",
        "purposewatch_reporter",
        "purposewatch_connect",
    ]
):
    from tests.fuzz.catalogue import TARGETS
    from tests.fuzz.mutate import mutate
    from tests.fuzz.target import watched


def main() -> None:
    """Fuzz until the time is over or an input fails. Ends the process."""
    target = TARGETS[sys.argv[1]]
    corpus = target.corpus()

    def change(data: bytes, max_size: int, seed: int) -> bytes:
        if seed % 3 == 0:
            changed: bytes = atheris.Mutate(data, max_size)
            return changed
        rng = Random(seed)  # noqa: S311 - to be repeated
        return mutate(data, rng, words=target.words, corpus=corpus, max_bytes=max_size)

    with watched(target) as check:
        atheris.Setup([sys.argv[0], *sys.argv[2:]], check, custom_mutator=change)
        atheris.Fuzz()


if __name__ == "__main__":
    main()

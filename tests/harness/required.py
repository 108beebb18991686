"""What some tests need and a newcomer's machine may lack."""

import os
from typing import NoReturn

import pytest


def skip_without(what: str, variable: str) -> NoReturn:
    """Skip the test, saying what is missing; fail it where `variable` is 1, as in `.ci/run`.

    The README promises tests that pass with nothing but Python. What is skipped for want of a
    server or a browser is shown at the end of the run (`-ra`), and CI allows no such gap.
    """
    if os.environ.get(variable) == "1":
        pytest.fail(f"{what} ({variable}=1)", pytrace=False)
    pytest.skip(what)

"""Finds the line of the project that made something happen."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import purposewatch_client

if TYPE_CHECKING:
    from types import FrameType

_CLIENT = str(Path(purposewatch_client.__file__).parent)


def calling_line(root: Path) -> str | None:
    """Return the innermost line on the stack that is in the project, as `path:line`.

    Installed packages and the client itself do not count, so that an access that a hook recorded
    is found at the query or request behind it.
    """
    prefix = f"{root}/"
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - documented; `inspect` is slow
    while frame is not None:
        path = frame.f_code.co_filename
        if path.startswith(prefix) and "site-packages" not in path and not path.startswith(_CLIENT):
            return f"{path.removeprefix(prefix)}:{frame.f_lineno}"
        frame = frame.f_back
    return None

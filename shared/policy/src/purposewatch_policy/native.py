"""Runs the modules that were compiled to native code, if they were compiled from these sources.

`make compile` puts them into a folder of their own, with a digest of each source. If a source has
changed since, or nothing was compiled for this Python, the interpreter runs the sources.
"""

import json
import os
import sys
import sysconfig
from collections.abc import Sequence
from hashlib import sha256
from importlib.abc import MetaPathFinder
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType

PACKAGE = Path(__file__).parent
MODULES = (
    "compile",
    "decide",
    "decision",
    "failed",
    "languages.english",
    "lookup",
    "nearest",
    "overlap",
    "policy_set",
    "prohibited",
    "role_index",
    "statement_row",
    "statement_sets",
    "undeclared",
)
"""What is compiled: deciding, and putting the reasons into words."""

SHARED = "_native__mypyc"
"""The compiled code of all modules, which each of them loads."""

DIGESTS = "digests.json"

_VARIABLE = "PURPOSEWATCH_ENGINE"
_STALE = "interpreted: the compiled modules are of other sources, compile them again"


def folder(package: Path = PACKAGE) -> Path:
    """Return where the modules are that were compiled for this Python and platform."""
    return package / "_native" / str(sysconfig.get_config_var("SOABI"))


def digests(package: Path = PACKAGE) -> dict[str, str]:
    """Return the SHA-256 of each module's source."""
    return {
        module: sha256(package.joinpath(*module.split(".")).with_suffix(".py").read_bytes())
        .hexdigest()
        for module in MODULES
    }  # fmt: skip


class _Finder(MetaPathFinder):
    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002 - the interface
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        package, _, module = fullname.partition(".")
        if package != __package__ or (module not in MODULES and module != SHARED):
            return None
        file = folder().joinpath(*module.split("."))
        return spec_from_file_location(fullname, f"{file}{EXTENSION_SUFFIXES[0]}")


def _engine() -> str:
    """Let the compiled modules be found if they may run; return what runs."""
    if os.environ.get(_VARIABLE) == "interpreted":
        return "interpreted"
    try:
        compiled_from = json.loads((folder() / DIGESTS).read_bytes())
    except FileNotFoundError:
        return "interpreted"
    if compiled_from != digests():
        return _STALE
    sys.meta_path.insert(0, _Finder())
    return "compiled"


ENGINE = _engine()
"""What decides: `compiled`, or `interpreted`, with the reason if it could be compiled."""

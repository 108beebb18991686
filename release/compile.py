"""Compile the decision engine to native code: `python release/compile.py [PACKAGE]`.

PACKAGE is the directory of `purposewatch_policy` in which the result is put; by default, that of
this repository. Its sources have to be those of the repository. Needs a C compiler, and mypy and
setuptools as `requirements/engine.txt` pins them.
"""

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

from mypyc.build import mypycify
from setuptools import Distribution

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "shared" / "policy" / "src"
sys.path.insert(0, str(SOURCES))
os.environ["PURPOSEWATCH_ENGINE"] = "interpreted"  # to compile it, it must not be loaded

from purposewatch_policy import native  # noqa: E402 - not before the path is set


def compile_engine(package: Path) -> None:
    """Compile the modules and put them beside their sources.

    Raises `ValueError` if the sources there are others.
    """
    compiled_from = native.digests(SOURCES / package.name)
    if native.digests(package) != compiled_from:
        message = f"{package} has other sources than {SOURCES}; install these first"
        raise ValueError(message)
    with tempfile.TemporaryDirectory() as directory:
        built = _build(Path(directory))
        target = native.folder(package)
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(built / package.name, target)
    (target / native.DIGESTS).write_text(json.dumps(compiled_from, indent=1), encoding="utf-8")


def _build(directory: Path) -> Path:
    """Build the extension modules in a copy of the sources; return where they are."""
    name = native.PACKAGE.name
    ignore = shutil.ignore_patterns("_native", "__pycache__")
    shutil.copytree(SOURCES / name, directory / name, ignore=ignore)
    before = Path.cwd()
    os.chdir(directory)  # mypyc names modules by their relative paths
    try:
        modules = [f"{name}/{module.replace('.', '/')}.py" for module in native.MODULES]
        extensions = mypycify(
            ["--config-file=", "--ignore-missing-imports", *modules],
            opt_level="3",
            debug_level="0",
            group_name=f"{name}.{native.SHARED.removesuffix('__mypyc')}",
        )
        command = Distribution({"name": name, "ext_modules": extensions}).get_command_obj(
            "build_ext"
        )
        command.build_lib = "built"
        command.ensure_finalized()
        command.run()
    finally:
        os.chdir(before)
    return directory / "built"


if __name__ == "__main__":
    compile_engine(Path(sys.argv[1]) if sys.argv[1:] else native.PACKAGE)

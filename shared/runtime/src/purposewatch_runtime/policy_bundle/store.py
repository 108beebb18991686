"""The bundle in use, on disk: its archive, and its files below the link `current`."""

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from purposewatch_policy import load_policies
from purposewatch_runtime.policy_bundle.archive import Bundle
from purposewatch_runtime.policy_bundle.fetch import SIGNATURE_SUFFIX, Fetched

CURRENT = "current"
_ARCHIVE = "bundle.tar.gz"


class BundleStore:
    """A directory of one process.

    INVARIANT: `current` always leads to the whole files of one bundle whose policies are valid.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.current = directory / CURRENT

    def stored(self) -> Fetched | None:
        """What was stored last; `None` if there is nothing."""
        archive = self._directory / _ARCHIVE
        signature = self._directory / (_ARCHIVE + SIGNATURE_SUFFIX)
        try:
            text = signature.read_text("ascii", "replace") if signature.exists() else None
            return Fetched(archive.read_bytes(), text)
        except OSError:
            return None

    def install(self, bundle: Bundle, fetched: Fetched) -> None:
        """Make a bundle the current one. Raises `InvalidSourceError` if its policies are faulty."""
        self._directory.mkdir(parents=True, exist_ok=True)
        target = self._directory / bundle.digest[:32]
        made = Path(tempfile.mkdtemp(dir=self._directory, prefix="new-"))
        try:
            bundle.write(made)
            load_policies(made)
            # files that were written before may have been changed since
            shutil.rmtree(target, ignore_errors=True)
            made.replace(target)
        finally:
            shutil.rmtree(made, ignore_errors=True)
        signature = self._directory / (_ARCHIVE + SIGNATURE_SUFFIX)
        if fetched.signature is None:
            signature.unlink(missing_ok=True)
        else:
            _write(signature, fetched.signature.encode())
        _write(self._directory / _ARCHIVE, fetched.archive)
        link = self._directory / f"{CURRENT}.new"
        link.unlink(missing_ok=True)
        link.symlink_to(target.name)
        before = self.current.readlink() if self.current.is_symlink() else None
        link.replace(self.current)
        self._remove_all_but({target.name, str(before)})

    def _remove_all_but(self, kept: set[str]) -> None:
        """Remove earlier bundles; the one before stays for whoever is reading it."""
        for path in self._directory.iterdir():
            if path.is_dir() and not path.is_symlink() and path.name not in kept:
                with suppress(OSError):
                    shutil.rmtree(path)


def _write(path: Path, content: bytes) -> None:
    new = path.with_name(path.name + ".new")
    with new.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)

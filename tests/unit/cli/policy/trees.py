"""Trees of policies for the commands: a sound one, and one for each fault."""

import shutil
from pathlib import Path

HERE = Path(__file__).parent
SOUND = HERE / "sound"
FAULTS = sorted(path for path in (HERE / "faulty").iterdir() if path.is_dir())


def copy_sound(to: Path) -> Path:
    """Copy the sound tree to where a test may spoil it."""
    return Path(shutil.copytree(SOUND, to, dirs_exist_ok=True))


def copy_faulty(fault: Path, to: Path) -> Path:
    """Copy the sound tree with the files of a fault laid over it."""
    copy_sound(to)
    ignored = shutil.ignore_patterns("expected.txt")
    return Path(shutil.copytree(fault, to, dirs_exist_ok=True, ignore=ignored))


def copy_with_ledger(to: Path) -> Path:
    """Copy the sound tree with `consent.marketing` as a fact of the ledger."""
    (copy_sound(to) / "acme" / "vocabulary.yaml").write_text(
        "facts:\n"
        "  consent.marketing:\n"
        "    authority: ledger\n"
        "    stated_by: {en: The consent platform states it.}\n",
        encoding="utf-8",
    )
    return to

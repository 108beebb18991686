"""The pages of docs/policies show what the commands print today."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
PAGES = ROOT / "docs" / "policies"


def test_generated_pages_are_fresh() -> None:
    """`python docs/generate.py` would change nothing."""
    result = subprocess.run(
        [sys.executable, ROOT / "docs" / "generate.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stdout) == (0, ""), result.stderr


@pytest.mark.parametrize("page", sorted(PAGES.rglob("*.md")), ids=lambda path: path.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link of the pages names a file of the repository."""
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_index_lists_every_generated_page() -> None:
    """Nothing is generated that nobody would find."""
    index = (PAGES / "README.md").read_text(encoding="utf-8")
    generated = {path.relative_to(PAGES).as_posix() for path in PAGES.glob("*/*")}
    assert generated == {each for each in generated if f"({each})" in index}

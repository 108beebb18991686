"""Writes `docs/asvs.md` from `docs/asvs.yaml`: how the product stands to OWASP's ASVS 5.0."""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

import yaml

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "asvs.md"
STATES = {
    "met": "met",
    "partly": "in part",
    "open": "**not met**",
    "operator": "up to you",
    "none": "does not apply",
}

_HEAD = """# OWASP ASVS 5.0, level 2

How Purposewatch stands to each requirement of levels 1 and 2 of the OWASP Application Security
Verification Standard 5.0.0, by the number that it has there. It is our own assessment, in our
words; nobody else has verified it. *Up to you* means that whoever runs Purposewatch has to see to
it, and where it says how. [Security](security.md) has the threats behind it.

`docs/asvs.yaml` is the source of this page. A test fails if a file that it names is gone."""


class Requirement(NamedTuple):
    """What is said about one or more requirements."""

    numbers: tuple[str, ...]
    state: str
    how: str
    where: tuple[str, ...]


def read() -> dict[str, list[Requirement]]:
    """The chapters. Raises `KeyError` or `ValueError` if one is not complete."""
    text = (ROOT / "docs" / "asvs.yaml").read_text(encoding="utf-8")
    return {
        chapter: [
            Requirement(
                tuple(str(numbers).split(", ")),
                said["state"],
                said["how"],
                tuple(said.get("where", ())),
            )
            for numbers, said in requirements.items()
        ]
        for chapter, requirements in yaml.safe_load(text).items()
    }


def page() -> str:
    """The page in Markdown."""
    chapters = read()
    counted = Counter(
        {
            state: sum(
                len(each.numbers)
                for requirements in chapters.values()
                for each in requirements
                if each.state == state
            )
            for state in STATES
        }
    )
    lines = [_HEAD, "", "| state | requirements |", "|---|---:|"]
    lines += [f"| {word} | {counted[state]} |" for state, word in STATES.items()]
    for chapter, requirements in chapters.items():
        lines += ["", f"## {chapter}", "", "| number | state | how | where |", "|---|---|---|---|"]
        lines += [_row(each) for each in requirements]
    return "\n".join([*lines, ""])


def _row(requirement: Requirement) -> str:
    where = ", ".join(map(_link, requirement.where))
    numbers = ", ".join(requirement.numbers)
    return f"| {numbers} | {STATES[requirement.state]} | {requirement.how} | {where} |"


def _link(path: str) -> str:
    """Pages are linked; code is named."""
    if path.startswith("docs/") and path.endswith(".md"):
        return f"[{path.removeprefix('docs/')}]({path.removeprefix('docs/')})"
    return f"`{path}`"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

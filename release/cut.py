"""Prepare a release: set the version everywhere and date the changelog's unreleased section.

`make release VERSION=…` runs it, then builds the wheels, commits and tags. The file `VERSION` is
where the version is kept; each distribution repeats it, so that it also builds on its own.
"""

import re
import sys
from datetime import UTC, date, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

_VERSION = re.compile(r"\d+\.\d+\.\d+")
_FIELD = re.compile(r'^version = "[^"]*"$', re.MULTILINE)
_CHART_FIELDS = ("version", "appVersion")
_UNRELEASED = "## [Unreleased]\n"


def distributions() -> list[Path]:
    """The pyproject file of every distribution."""
    return sorted(
        path
        for pattern in ("*/pyproject.toml", "*/*/pyproject.toml")
        for path in ROOT.glob(pattern)
        if ".venv" not in path.parts
    )


def with_version(pyproject: str, version: str) -> str:
    """The text of a pyproject file with this version in it."""
    text, found = _FIELD.subn(f'version = "{version}"', pyproject)
    if found != 1:
        message = f"expected one `version` in a pyproject file, found {found}"
        raise ValueError(message)
    return text


def chart_with_version(chart: str, version: str) -> str:
    """The text of `Chart.yaml` with this version of the chart and of the images."""
    for field in _CHART_FIELDS:
        chart, found = re.subn(rf"(?m)^{field}: .*$", f"{field}: {version}", chart)
        if found != 1:
            message = f"expected one `{field}` in Chart.yaml, found {found}"
            raise ValueError(message)
    return chart


def with_release(changelog: str, version: str, day: date) -> str:
    """The changelog with the unreleased notes under this version, and an empty section on top.

    Raises `ValueError` when there are no notes or the version was released before.
    """
    if f"## [{version}]" in changelog:
        message = f"the changelog has a section for `{version}`; choose the next version"
        raise ValueError(message)
    before, found, rest = changelog.partition(_UNRELEASED)
    notes = rest.partition("\n## [")[0].strip()
    if not found or not notes:
        message = "the changelog has no notes under [Unreleased]; write them first"
        raise ValueError(message)
    return f"{before}{_UNRELEASED}\n## [{version}] - {day.isoformat()}\n{rest}"


def main(arguments: list[str]) -> int:
    """Write `VERSION`, the pyproject files and the changelog; 1 when something is wrong."""
    version = arguments[0] if len(arguments) == 1 else ""
    if not _VERSION.fullmatch(version):
        sys.stderr.write("name the version, for example `0.3.0`\n")
        return 1
    changelog = ROOT / "CHANGELOG.md"
    try:
        texts = {
            changelog: with_release(
                changelog.read_text(encoding="utf-8"), version, datetime.now(UTC).date()
            ),
            ROOT / "VERSION": f"{version}\n",
        }
        for path in distributions():
            texts[path] = with_version(path.read_text(encoding="utf-8"), version)
        chart = ROOT / "deploy/helm/purposewatch/Chart.yaml"
        texts[chart] = chart_with_version(chart.read_text(encoding="utf-8"), version)
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")
    sys.stdout.write(f"version {version} in {len(texts)} files\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

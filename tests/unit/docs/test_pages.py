"""The pages name every setting as it is, the generated ones are fresh, and no link is dead."""

import re
from dataclasses import fields
from pathlib import Path

import pytest
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from docs.generate import operations_pages
from purposewatch_auditor.settings import AuditorSettings
from purposewatch_client import ClientSettings
from purposewatch_connect.exports.settings import ExportSettings
from purposewatch_connect.openlineage.settings import OpenLineageSettings
from purposewatch_connect.otlp.settings import OtlpSettings
from purposewatch_connect.pgaudit.settings import PgauditSettings
from purposewatch_ingest.settings import IngestSettings
from purposewatch_reporter.settings import ReporterSettings
from purposewatch_runtime.settings import RenamedFrom

ROOT = Path(__file__).resolve().parents[3]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
SERVICES: tuple[type[BaseSettings], ...] = (
    IngestSettings,
    AuditorSettings,
    ReporterSettings,
    OtlpSettings,
    PgauditSettings,
    ExportSettings,
    OpenLineageSettings,
)

# the compose file's own, for the ports on the host
OF_COMPOSE = {
    "PURPOSEWATCH_ALERTMANAGER_PORT",
    "PURPOSEWATCH_GRAFANA_PORT",
    "PURPOSEWATCH_INGEST_PORT",
    "PURPOSEWATCH_PROMETHEUS_PORT",
    "PURPOSEWATCH_REPORTER_PORT",
    "PURPOSEWATCH_TRAFFIC_RATE",
}


# of the Python client
OF_CLIENT = {f"PURPOSEWATCH_CLIENT_{each.name.upper()}" for each in fields(ClientSettings)} | {
    "PURPOSEWATCH_CLIENT"  # the prefix
}

# of the tests: what may not be skipped
OF_TESTS = {"PURPOSEWATCH_REQUIRE_PROMETHEUS"}
# of the decision engine, which reads no settings
OF_ENGINE = {"PURPOSEWATCH_ENGINE"}


def _settings() -> dict[str, str]:
    """The default of every setting by its variable, as an environment would hold it."""
    found = {}
    for kind in SERVICES:
        for name, field in kind.model_fields.items():
            default = field.default
            if hasattr(default, "get_secret_value"):
                default = default.get_secret_value()
            text = f"`{default}`"
            if default is PydanticUndefined:
                text = "required"
            elif default is None:
                text = "none"
            elif isinstance(default, bool):
                text = text.lower()
            elif isinstance(default, float):
                text = f"`{default:g}`"
            found[f"PURPOSEWATCH_{name.upper()}"] = text
    return found


def _old_names() -> set[str]:
    """The variables that were renamed, by their old names."""
    marks = [
        mark for kind in SERVICES for field in kind.model_fields.values() for mark in field.metadata
    ]
    return {f"PURPOSEWATCH_{mark.name.upper()}" for mark in marks if isinstance(mark, RenamedFrom)}


def _rows(page: str, prefix: str) -> dict[str, list[str]]:
    """The rows of a page's tables whose first cell is a name with this prefix."""
    rows = {}
    for line in (ROOT / "docs" / page).read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if cells and re.fullmatch(rf"`{prefix}\w+`", cells[0]):
            rows[cells[0].strip("`")] = cells[1:]
    return rows


def test_the_settings_page_names_every_setting_with_its_default() -> None:
    """Words may stand for a default that is worked out, or not the same for all."""
    words = {
        "PURPOSEWATCH_KAFKA_MAX_BATCH_RECORDS": "`1000`, the reporter `10000`",
        "PURPOSEWATCH_KAFKA_OAUTH_CAFILE": "the system's",
        "PURPOSEWATCH_KAFKA_SSL_CAFILE": "the system's",
        "PURPOSEWATCH_INGEST_OIDC_JWKS_URL": "from the provider's metadata",
        "PURPOSEWATCH_REPORTER_PUBLIC_URL": "from host and port",
    }
    documented = {name: cells[0] for name, cells in _rows("settings.md", "PURPOSEWATCH_").items()}
    assert documented == _settings() | words


def test_the_page_of_the_client_names_every_setting_with_its_default() -> None:
    """In the order of `ClientSettings`."""
    words = {"source": "required", "ingest_url": "required", "key": "empty"}
    defaults = {
        each.name: "none"
        if each.default is None
        else f"`{each.default:g}`"
        if isinstance(each.default, float)
        else f"`{each.default}`"
        for each in fields(ClientSettings)
    }
    page = (ROOT / "docs" / "client-python.md").read_text(encoding="utf-8")
    table = page.partition("## Settings")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \|", table, re.MULTILINE)
    assert rows == list((defaults | words).items())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_page_names_no_setting_that_there_is_not(page: Path) -> None:
    """A misspelt one would be ignored without a word."""
    named = set(re.findall(r"PURPOSEWATCH_[A-Z][A-Z_]*[A-Z]", page.read_text(encoding="utf-8")))
    old = _old_names() if page.name in {"CHANGELOG.md", "settings.md", "upgrading.md"} else set()
    assert named - _settings().keys() - OF_COMPOSE - OF_CLIENT - OF_TESTS - OF_ENGINE - old == set()


def test_the_settings_page_names_the_old_names() -> None:
    """Whoever looks for a variable that was renamed finds the new one."""
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert {name for name in _old_names() if f"formerly `{name}`" in page} == _old_names()


@pytest.mark.parametrize(
    ("path", "text"), list(operations_pages()), ids=lambda each: str(each)[:30]
)
def test_a_generated_page_is_fresh(path: Path, text: str) -> None:
    """`make docs` writes the pages of metrics and of alerts from their declarations."""
    assert (ROOT / path).read_text(encoding="utf-8") == text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    """To a file of the repository and, where a section is named, to its heading."""
    dead = []
    for link in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        if link.startswith("https://"):
            continue
        path, _, section = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (section and section not in _sections(target)):
            dead.append(link)
    assert dead == []


def _sections(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


def test_the_paths_that_contributors_are_sent_to_exist() -> None:
    """The guide names files and folders; they move."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:shared|services|deploy|docs|tests|release)/[\w/.-]+)`", text)
    assert len(named) > 10
    assert [path for path in named if not (ROOT / path).exists()] == []

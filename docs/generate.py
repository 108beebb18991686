"""Write the generated pages; `--check` only compares.

docs/policies shows what the commands print, docs/metrics.md what metrics are declared,
docs/runbooks/README.md what alerts there are, and docs/asyncapi what each service consumes and
produces. `python docs/generate.py` after a change of any;
`--operations` leaves docs/policies out. What is written by hand (docs/policies/README.md and
<controller>.md, the runbooks) stays as it is.
"""

import asyncio
import json
import os
import sys
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import typer
import yaml
from pydantic import SecretStr
from starlette.applications import Starlette
from typer.testing import CliRunner

from purposewatch_auditor.app import build_app as build_auditor
from purposewatch_auditor.settings import AuditorSettings
from purposewatch_cli.policy.diff_command import diff
from purposewatch_cli.policy.explain_command import explain
from purposewatch_cli.policy.lint_command import lint
from purposewatch_cli.policy.show_command import show
from purposewatch_cli.policy.test_command import run_cases
from purposewatch_ingest.app import build_app as build_ingest
from purposewatch_ingest.settings import IngestSettings
from purposewatch_reporter.app import build_app as build_reporter
from purposewatch_reporter.settings import ReporterSettings
from purposewatch_runtime.metrics import DECLARED, EVERY, CounterSpec, HistogramSpec, MetricSpec

ROOT = Path(__file__).resolve().parent.parent
PAGES = Path("docs") / "policies"
METRICS_PAGE = Path("docs") / "metrics.md"
RUNBOOKS = Path("docs") / "runbooks"
ASYNCAPI = Path("docs") / "asyncapi"
RULES = Path("deploy") / "prometheus" / "rules"
COLUMNS = 110

commands = typer.Typer(pretty_exceptions_enable=False)
for command in (diff, explain, lint, show):
    commands.command()(command)
commands.command("test")(run_cases)

_LOCATION_STOP = """\
  - id: collection.location.stop
    clause: collection.3.2
    effect: prohibit
    roles: [user]
    defined_terms: [location_information]
    operations: [collect]
    unless: [location.enabled]
    note: The text promises that switching location off stops its collection.
"""


@dataclass(frozen=True)
class Subject:
    """A policy, a draft of its next version, and flows to explain by it."""

    file: Path
    draft: tuple[tuple[str, str], ...]
    """Pieces of the policy's text, each with its replacement in the draft."""
    flows: tuple[tuple[int, tuple[str, ...]], ...]
    """Flows passed to `explain`, each with the expected exit status."""

    @property
    def controller(self) -> str:
        return self.file.parent.name


def _flow(
    role: str, operation: str, purpose: str, category: str, recipient: str = "first_party"
) -> tuple[str, ...]:
    return (
        *("--role", role, "--operation", operation, "--purpose", purpose),
        *("--recipient", recipient, "--data-category", category),
    )


_METRICS_INTRODUCTION = """\
# Metrics

Every service serves `/metrics` on its own port: `ingest` on 8600, `auditor` on 8601, `reporter`
on 8602; `connect` stands for the [connectors](connectors.md#metrics-and-probes).
[Operating](operating.md) says what to watch, and the [runbooks](runbooks/README.md) what to do.

Counters and histograms are listed under the names that queries use; a histogram adds `_bucket`,
`_sum` and `_count` to its name. Label values come from enumerations, the vocabulary or the
register of publishers. If a metric still exceeds a few thousand label sets, new ones are
counted as `_other`. `_unjudged` stands for a controller without a policy and for terms of an event
that could not be judged, `_unregistered` for a publisher that is not in the register. The client
library adds `process_` and `python_` metrics: CPU time, memory, open files, versions.

| metric | kind | unit | services | labels | |
|---|---|---|---|---|---|"""


SUBJECTS = (
    Subject(
        Path("policies/wework-labs/policy.2018-05-25.yaml"),
        (
            ('version: "2018-05-25"', "version: draft"),
            (
                "    legal_bases: [consent]\n    when: [visit.website, consent.marketing]\n",
                "    legal_bases: [consent, legitimate_interests]\n    when: [visit.website]\n",
            ),
            (
                "    defined_terms: [office_preferences]\n    operations: [collect, store, use]\n",
                "    defined_terms: [office_preferences]\n    operations: [collect, use]\n",
            ),
        ),
        (
            (0, _flow("member", "use", "essential.service.notifications", "user.contact.email")),
            (
                1,
                _flow(
                    "member",
                    "share",
                    "marketing.advertising",
                    "user.contact.email",
                    "third_party.advertising",
                ),
            ),
            (
                1,
                (
                    *_flow(
                        "visitor", "use", "marketing.communications.email", "user.contact.email"
                    ),
                    *("--fact", "visit.website"),
                ),
            ),
        ),
    ),
    Subject(
        Path("policies/linggan-house/policy.undated.yaml"),
        (
            ("version: undated", "version: draft"),
            (
                "    recipients: [public]\n    when: [loan.overdue]\n",
                "    recipients: [third_party.credit_bureau]\n    when: [loan.overdue]\n",
            ),
            (_LOCATION_STOP, ""),
        ),
        (
            (1, _flow("user", "collect", "functional.service", "user.location.precise")),
            (1, _flow("user", "share", "finance.debt_collection", "user.contact", "public")),
        ),
    ),
)


def main(arguments: list[str]) -> int:
    """Write the pages, or with `--check` return 1 when a committed one differs."""
    check = "--check" in arguments
    stale = []
    for path, text in operations_pages() if "--operations" in arguments else pages():
        target = ROOT / path
        if target.exists() and target.read_text(encoding="utf-8") == text:
            continue
        stale.append(path)
        if not check:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
    for path in stale:
        sys.stdout.write(f"{path}: {'differs' if check else 'written'}\n")
    return int(bool(stale) and check)


def pages() -> Iterator[tuple[Path, str]]:
    """Yield the path and text of every generated page."""
    yield from operations_pages()
    for subject in SUBJECTS:
        home = PAGES / subject.controller
        for language in ("en", "zh"):
            policy = f"policies/{subject.controller}"
            picture = f"flows.{language}.svg"
            yield home / picture, printed("show", policy, "--format", "svg", "--lang", language)
            matrix = printed("show", policy, "--format", "markdown", "--lang", language)
            heading, _, rest = matrix.partition("\n")
            yield home / f"matrix.{language}.md", f"{heading}\n\n![]({picture})\n{rest}"
            yield home / f"explain.{language}.md", explain_page(subject, language)
        yield home / "diff.md", diff_page(subject)
        yield home / "checks.md", checks_page(subject)


def operations_pages() -> Iterator[tuple[Path, str]]:
    """Yield the pages for operators."""
    yield METRICS_PAGE, metrics_page()
    yield RUNBOOKS / "README.md", alerts_page()
    yield from asyncapi_documents()


def asyncapi_documents() -> Iterator[tuple[Path, str]]:
    """Each service's `/asyncapi.json`, from the service as it is put together; nothing starts."""
    with TemporaryDirectory() as directory:
        register = Path(directory) / "publishers.yaml"
        register.write_text("publishers: {}\n")
        policies = ROOT / "policies"
        apps: dict[str, Starlette] = {
            "ingest": build_ingest(
                IngestSettings(
                    publishers_file=register,
                    pseudonym_key=SecretStr("0" * 64),
                    policies_dir=policies,
                )
            )[0],
            "auditor": build_auditor(AuditorSettings(policies_dir=policies))[0],
            "reporter": build_reporter(ReporterSettings(policies_dir=policies))[0],
        }
        for service, app in apps.items():
            document = json.dumps(asyncio.run(_asyncapi_of(app)), indent=2, ensure_ascii=False)
            yield ASYNCAPI / f"{service}.json", document + "\n"


async def _asyncapi_of(app: Starlette) -> object:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        return (await client.get("/asyncapi.json")).json()


def metrics_page() -> str:
    """List every declared metric."""
    rows = [f"| {' | '.join(_metric_cells(spec))} |" for spec in DECLARED]
    return "\n".join([_METRICS_INTRODUCTION, *rows, ""])


def _metric_cells(spec: MetricSpec) -> list[str]:
    kind = "gauge"
    if isinstance(spec, CounterSpec):
        kind = "counter"
    elif isinstance(spec, HistogramSpec):
        kind = "histogram"
    services = "all" if spec.services == EVERY else ", ".join(spec.services)
    labels = ", ".join(f"`{label}`" for label in spec.labels)
    return [f"`{spec.exported_name}`", kind, spec.unit, services, labels, spec.help]


def alerts_page() -> str:
    """List every alert with the runbook for it."""
    lines = [
        "# Runbooks",
        "",
        "One page for each alert: what it means, how to check, what to do, how to know it is over.",
        "`critical` pages on-call; `warning` can wait for working hours.",
        "",
        "The commands are for [Docker Compose](../running-with-compose.md) on the same machine;",
        "elsewhere, use your own addresses. `$TOKEN` is the token of the reporter's API:",
        "",
        "```sh",
        "TOKEN=$(sed -n 's/^PURPOSEWATCH_REPORTER_API_TOKEN=//p' deploy/secrets/reporter.env)",
        "```",
        "",
        "The auditor's port is not published; query it inside its container:",
        "",
        "```sh",
        "docker compose exec auditor python -c 'import http.client as h",
        'c = h.HTTPConnection("localhost", 8601); c.request("GET", "/readyz")',
        "print(c.getresponse().read().decode())'",
        "```",
        "",
        "`promtool` comes with Prometheus; you can also enter the queries in its web page at",
        "<http://localhost:9090>. `purposewatch` is in `.venv/bin` after `make install`.",
        "",
        "| alert | severity | when |",
        "|---|---|---|",
    ]
    for path in sorted((ROOT / RULES).glob("*.yaml")):
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
            for rule in group["rules"]:
                if "alert" in rule:
                    name, severity = rule["alert"], rule["labels"]["severity"]
                    when = rule["annotations"]["summary"]
                    lines.append(f"| [{name}]({name}.md) | {severity} | {when} |")
    return "\n".join([*lines, ""])


def diff_page(subject: Subject) -> str:
    """Show what a draft changes in the text, and what the command says that it means."""
    old = (ROOT / subject.file).read_text(encoding="utf-8")
    new = old
    for before, after in subject.draft:
        if before not in new:
            message = f"{subject.file}: the draft replaces what is not there: {before!r}"
            raise ValueError(message)
        new = new.replace(before, after, 1)
    edit = unified_diff(
        old.splitlines(), new.splitlines(), str(subject.file), "draft.yaml", n=2, lineterm=""
    )
    with TemporaryDirectory() as directory:
        draft = Path(directory) / "draft.yaml"
        draft.write_text(new, encoding="utf-8")
        output = printed("diff", str(subject.file), str(draft), status=3)
    return "\n".join(
        [
            f"# {subject.controller}: what a draft would change",
            "",
            "The draft, as an edit of the policy:",
            "",
            "```diff",
            *edit,
            "```",
            "",
            "What that means:",
            "",
            "```",
            f"$ purposewatch policy diff {subject.file} draft.yaml",
            output.rstrip(),
            "```",
            "",
            "The exit status is 3, since rights shrink; see [the index](../README.md).\n",
        ]
    )


def checks_page(subject: Subject) -> str:
    """Show what lint finds in the policy, and which of it the cases cover."""
    home = f"policies/{subject.controller}"
    return "\n".join(
        [
            f"# {subject.controller}: findings and coverage",
            "",
            "```",
            f"$ purposewatch policy lint --policies {home} --verbose",
            printed("lint", "--policies", home, "--verbose").rstrip(),
            "```",
            "",
            "```",
            f"$ purposewatch policy test --policies {home}",
            printed("test", "--policies", home).rstrip(),
            "```\n",
        ]
    )


def explain_page(subject: Subject, language: str) -> str:
    """Show how decisions are explained."""
    lines = [f"# {subject.controller}: decisions explained"]
    for status, flow in subject.flows:
        asked = (*flow, *("--controller", subject.controller, "--at", "2026-03-02T08:15:00Z"))
        words = ("explain", *asked, *("--lang", language))
        lines += [
            "",
            "```",
            f"$ purposewatch policy {' '.join(words)}",
            printed(*words, status=status).rstrip(),
            "```",
        ]
    return "\n".join([*lines, ""])


def printed(*arguments: str, status: int = 0) -> str:
    """Return what a command prints in the repository's root, without spaces at line ends."""
    with chdir(ROOT):
        result = CliRunner().invoke(commands, arguments, env={"COLUMNS": str(COLUMNS)})
    if result.exit_code != status:
        message = f"`{' '.join(arguments)}` ended with {result.exit_code}: {result.output}"
        raise RuntimeError(message)
    return "\n".join(line.rstrip() for line in result.stdout.splitlines()) + "\n"


if __name__ == "__main__":
    os.environ.pop("PURPOSEWATCH_POLICIES_DIR", None)
    raise SystemExit(main(sys.argv[1:]))

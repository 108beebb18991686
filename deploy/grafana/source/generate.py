"""Write the dashboards' JSON; `--check` only compares.

`python -m deploy.grafana.source.generate` after a change of any module beside this one.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from deploy.grafana.source import compliance, pipeline, policy

DIRECTORY = Path(__file__).resolve().parent.parent / "dashboards"


def dashboards() -> Iterator[tuple[Path, Dashboard]]:
    """Yield every dashboard with its file."""
    for module in (compliance, pipeline, policy):
        yield DIRECTORY / f"{module.__name__.rpartition('.')[2]}.json", module.build()


def as_json(made: Dashboard) -> str:
    """The file that Grafana reads, with numbered panels and without the library's quirks."""
    model = json.loads(JSONEncoder().encode(made.build()))
    for number, panel in enumerate(model["panels"], start=1):
        panel["id"] = number
        if "repeat" not in panel:
            panel.pop("repeatDirection", None)  # with it, Grafana 11 makes every panel full width
    for variable in model["templating"]["list"]:
        del variable["id"]  # all have the same; Grafana 11 keeps one variable for each
    return json.dumps(model, indent=2, sort_keys=True) + "\n"


def main(arguments: list[str]) -> int:
    """Write the files, or with `--check` return 1 when one differs."""
    check = "--check" in arguments
    stale = False
    for path, made in dashboards():
        text = as_json(made)
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale = True
        if not check:
            path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{path.name}: {'differs' if check else 'written'}\n")
    return int(stale and check)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

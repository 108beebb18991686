"""Write the schema of the chart's values; `--check` only compares.

`make schemas` after a change of values.schema.yaml or of a service's settings.
"""

import json
import sys
from pathlib import Path

import yaml

from deploy.helm.source.settings import CHART, definitions

_SOURCE = Path(__file__).with_name("values.schema.yaml")
SCHEMA = CHART / "values.schema.json"


def schema() -> str:
    """The text of `values.schema.json`."""
    held = yaml.safe_load(_SOURCE.read_text(encoding="utf-8"))
    held["definitions"] |= definitions()
    return json.dumps(held, indent=1) + "\n"


def main(arguments: list[str]) -> int:
    """Write the file, or with `--check` return 1 when it differs."""
    check = "--check" in arguments
    text = schema()
    if SCHEMA.exists() and SCHEMA.read_text(encoding="utf-8") == text:
        return 0
    if not check:
        SCHEMA.write_text(text, encoding="utf-8")
    sys.stdout.write(f"{SCHEMA.name}: {'differs' if check else 'written'}\n")
    return int(check)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

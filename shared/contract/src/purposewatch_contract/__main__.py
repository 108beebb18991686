"""Write the JSON Schemas of the messages: `python -m purposewatch_contract [--check]`."""

import sys

from purposewatch_contract.schema import MESSAGES, SCHEMA_DIR, render_schema


def main(arguments: list[str]) -> int:
    """Write the schemas, or with `--check` return 1 when a committed one differs."""
    drifted = []
    for name in MESSAGES:
        path = SCHEMA_DIR / f"{name}.json"
        text = render_schema(name)
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        drifted.append(name)
        if "--check" not in arguments:
            SCHEMA_DIR.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
    for name in drifted:
        sys.stdout.write(f"{name}: {'differs' if '--check' in arguments else 'written'}\n")
    return int(bool(drifted) and "--check" in arguments)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

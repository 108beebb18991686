"""`python -m purposewatch_client drain`: send what ended processes left in a spool, and end.

The environment configures it, as it configures the service: `PURPOSEWATCH_CLIENT_…`. For a job that
runs before a volume is deleted, or where no service is left that would adopt the files.
"""

import argparse
import dataclasses
import json
import sys
import time

from purposewatch_client.client import Client
from purposewatch_client.errors import SettingsError
from purposewatch_client.settings import from_environment
from purposewatch_client.spool_sink import SpoolSink

_POLL_SECONDS = 0.05


def main(arguments: list[str] | None = None) -> int:
    """Run the command: 0 if nothing is left, 1 if something is, 2 if a setting is wrong."""
    parser = argparse.ArgumentParser(prog="python -m purposewatch_client", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("status", help="print what the spool holds")
    drain = commands.add_parser("drain", help="send everything that no process owns")
    drain.add_argument("--timeout", type=float, default=60.0, help="in seconds (60)")
    options = parser.parse_args(arguments)
    try:
        settings = from_environment({"adopt_seconds": 1.0})
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    client = Client(settings, SpoolSink(settings))
    if options.command == "drain":
        _drain(client, options.timeout)
    stats = client.stats()
    sys.stdout.write(f"{json.dumps(dataclasses.asdict(stats))}\n")
    return int(stats.spool_bytes > 0)


def _drain(client: Client, timeout: float) -> None:
    until = time.monotonic() + timeout
    client.start()
    while client.stats().spool_bytes and time.monotonic() < until:
        time.sleep(_POLL_SECONDS)
    client.close(1.0)


if __name__ == "__main__":
    sys.exit(main())

"""`python -m purposewatch_reporter check-routing FILE`: is an alerting file good?"""

import sys
from collections.abc import Sequence
from pathlib import Path

from purposewatch_policy import InvalidSourceError
from purposewatch_reporter.alerts.routing_file import load_routing

_GOOD, _FAULTY, _MISUSED = 0, 1, 2


def check_routing(arguments: Sequence[str]) -> int:
    """Print every fault, or what the file amounts to; the exit code. Secrets are not read."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m purposewatch_reporter check-routing FILE\n")
        return _MISUSED
    try:
        routing = load_routing(Path(arguments[0]))
    except InvalidSourceError as error:
        sys.stderr.write(f"{error}\n")
        return _FAULTY
    sys.stdout.write(
        f"good: {len(routing.endpoints)} channels ({', '.join(routing.endpoints)}), "
        f"{len(routing.routes)} routes, {len(routing.severity_rules)} severity rules\n"
    )
    return _GOOD

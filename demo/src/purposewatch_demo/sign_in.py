"""How to get into the compliance page of the demonstration's own reporter."""

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class SignIn:
    """Where the page is, and the account that the reporter made for its first start."""

    url: str
    username: str
    password: str


def read_sign_in(url: str, log: Path) -> SignIn | None:
    """What the reporter's log says; `None` where it says nothing, as at a higher log level."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    for line in lines:
        try:
            said = json.loads(line)
        except ValueError:
            continue
        if isinstance(said, dict) and {"username", "password"} <= said.keys():
            return SignIn(url, str(said["username"]), str(said["password"]))
    return None

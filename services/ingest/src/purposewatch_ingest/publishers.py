"""The register of publishers: who may publish, with which keys, for which controllers.

It holds only SHA-256 digests of the keys. A key is 256 random bits, so that a plain digest can't
be turned back by guessing, and looking a digest up tells an attacker nothing about others.
"""

import re
import secrets
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType

from purposewatch_contract import PUBLISHER_PATTERN
from purposewatch_policy import CONTROLLER_PATTERN, InvalidSourceError
from purposewatch_policy.yaml_reader import (
    Fields,
    MappingNode,
    ScalarNode,
    SourceError,
    as_mapping,
    read_mapping,
)

_DIGEST = r"[0-9a-f]{64}"
_KEY_BYTES = 32
_MAX_KEY_LENGTH = 256


@dataclass(frozen=True, slots=True)
class Publisher:
    """A platform service that may publish events."""

    name: str
    controllers: frozenset[str]
    """The controllers that it may publish events of."""


class PublisherRegister:
    """Finds publishers by key or by name. Immutable; a change of the file makes a new one."""

    def __init__(self, publishers: Iterable[tuple[Publisher, Iterable[str]]]) -> None:
        """Take each publisher with the SHA-256 digests (hex) of its keys."""
        by_name: dict[str, Publisher] = {}
        by_digest: dict[str, Publisher] = {}
        for publisher, digests in publishers:
            by_name[publisher.name] = publisher
            by_digest.update(dict.fromkeys(digests, publisher))
        self._by_name = MappingProxyType(by_name)
        self._by_digest = MappingProxyType(by_digest)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all publishers."""
        return tuple(self._by_name)

    def holder_of(self, key: str) -> Publisher | None:
        """The publisher whose key this is."""
        if not key or len(key) > _MAX_KEY_LENGTH:
            return None
        return self._by_digest.get(sha256(key.encode()).hexdigest())

    def owner_of(self, source: str) -> Publisher | None:
        """The publisher whose name a CloudEvents `source` begins with."""
        return self._by_name.get(source.split("/", 2)[1])


def load_register(path: Path) -> PublisherRegister:
    """Read the register's file. Raises `InvalidSourceError` with every fault of it."""
    errors: list[SourceError] = []
    root = read_mapping(path, errors)
    entries = []
    if root is not None:
        fields = Fields(root, ("publishers",), "the register", errors)
        publishers = fields.mapping("publishers", required=True)
        holders: dict[str, str] = {}
        for name, node in publishers.entries.items() if publishers else ():
            at = publishers.key_at[name] if publishers else root.at
            if not re.fullmatch(PUBLISHER_PATTERN, name):
                errors.append(
                    at.error(f"`{name}` is not a publisher's name; write one such as `crm`")
                )
            details = as_mapping(node, f"`{name}`", errors)
            if details is not None:
                entries.append(_read_publisher(name, details, holders, errors))
    if errors:
        raise InvalidSourceError(errors)
    return PublisherRegister(entries)


def _read_publisher(
    name: str, node: MappingNode, holders: dict[str, str], errors: list[SourceError]
) -> tuple[Publisher, list[str]]:
    fields = Fields(node, ("key_sha256", "controllers"), "a publisher", errors)
    digests = _matching(fields.names("key_sha256"), _DIGEST, _DIGEST_ADVICE, errors)
    for digest in digests:
        if holders.setdefault(digest, name) != name:
            message = f"`{name}` and `{holders[digest]}` have a key in common; give each its own"
            errors.append(fields.location("key_sha256").error(message))
    controllers = _matching(
        fields.names("controllers", required=True),
        CONTROLLER_PATTERN,
        "is not a controller's name; write one such as `wework-labs`",
        errors,
    )
    return Publisher(name, frozenset(controllers)), digests


_DIGEST_ADVICE = (
    "is not a SHA-256 digest in hex; `python -m purposewatch_ingest.publishers new-key` makes a "
    "key and its digest"
)


def _matching(
    nodes: tuple[ScalarNode, ...] | None, pattern: str, advice: str, errors: list[SourceError]
) -> list[str]:
    """The texts; a faulty one is reported without being shown, it may be a key in clear."""
    texts = []
    for node in nodes or ():
        if re.fullmatch(pattern, node.text):
            texts.append(node.text)
        else:
            errors.append(node.at.error(f"an item {advice}"))
    return texts


def main(arguments: list[str]) -> int:
    """Print a fresh key and its digest; nothing is stored."""
    if arguments != ["new-key"]:
        sys.stderr.write("usage: python -m purposewatch_ingest.publishers new-key\n")
        return 2
    key = "pwk_" + secrets.token_urlsafe(_KEY_BYTES)
    sys.stdout.write(
        f"key:        {key}\n"
        f"key_sha256: {sha256(key.encode()).hexdigest()}\n"
        "Give the key to the publisher and put the digest into the register.\n"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

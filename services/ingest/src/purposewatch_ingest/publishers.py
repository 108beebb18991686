"""The register of publishers: who may publish, how they prove who they are, and their rights.

It holds only SHA-256 digests of the keys. A key is 256 random bits, so that a plain digest can't
be turned back by guessing, and looking a digest up tells an attacker nothing about others.
"""

import secrets
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from types import MappingProxyType

_KEY_BYTES = 32
_MAX_KEY_LENGTH = 256


@dataclass(frozen=True, slots=True)
class RateLimits:
    """How many events a publisher may send over HTTP; `None` is without limit."""

    events_per_second: int | None = None
    burst: int = 0
    """Events at once, after a pause."""
    events_per_day: int | None = None


@dataclass(frozen=True, slots=True)
class Publisher:
    """A platform service that may publish events."""

    name: str
    controllers: frozenset[str]
    """The controllers that it may publish events of."""
    sources: tuple[str, ...] | None = None
    """Its own sources that it may use, each with all paths below it; `None` for all its own."""
    facts: frozenset[str] | None = None
    """The facts that its events may claim; `None` for all."""
    states_facts: frozenset[str] = frozenset()
    """Patterns of the facts that it may state: a fact, `consent.*` for all below, `*` for all."""
    reads_facts: frozenset[str] = frozenset()
    """Patterns of the facts that it may look up."""
    erases_subjects: bool = False
    """Whether it may have data subjects forgotten."""
    limits: RateLimits | None = None
    paused: str | None = None
    """Why nothing is accepted from it for now."""
    token_subjects: frozenset[str] = frozenset()
    """What the identity provider's tokens call it."""
    certificate_names: frozenset[str] = frozenset()
    """Names in its client certificate: `CN:…`, `DNS:…` or `URI:…`; any one of them will do."""

    @property
    def own_sources(self) -> tuple[str, ...]:
        """The sources that its events may have, each with all paths below it."""
        return self.sources if self.sources is not None else (f"/{self.name}",)

    def may_use(self, source: str) -> bool:
        """Whether its events may have this source."""
        if self.sources is not None:
            return any(_is_within(source, own) for own in self.sources)
        return _is_within(source, f"/{self.name}")

    def may_state(self, fact: str) -> bool:
        """Whether it may state this fact, so that the ledger holds it for true."""
        return matches_fact(self.states_facts, fact)

    def may_read(self, fact: str) -> bool:
        """Whether it may look up who stated this fact, and what."""
        return matches_fact(self.reads_facts, fact)


def matches_fact(patterns: frozenset[str], fact: str) -> bool:
    """Whether one of the patterns is the fact, a `prefix.*` above it, or `*`."""
    prefixes = (f"{fact[:at]}.*" for at, character in enumerate(fact) if character == ".")
    return bool(patterns) and not patterns.isdisjoint((fact, "*", *prefixes))


def _is_within(source: str, path: str) -> bool:
    return source.startswith(path) and source[len(path) : len(path) + 1] in ("", "/")


class PublisherRegister:
    """Finds publishers by key or by name. Immutable; a change of the file makes a new one."""

    def __init__(self, publishers: Iterable[tuple[Publisher, Iterable[str]]]) -> None:
        """Take each publisher with the SHA-256 digests (hex) of its keys."""
        by_name: dict[str, Publisher] = {}
        by_digest: dict[str, Publisher] = {}
        by_token: dict[str, Publisher] = {}
        by_certificate: dict[str, Publisher] = {}
        for publisher, digests in publishers:
            by_name[publisher.name] = publisher
            by_digest.update(dict.fromkeys(digests, publisher))
            by_token.update(dict.fromkeys(publisher.token_subjects, publisher))
            by_certificate.update(dict.fromkeys(publisher.certificate_names, publisher))
        self._by_name = MappingProxyType(by_name)
        self._by_digest = MappingProxyType(by_digest)
        self._by_token = MappingProxyType(by_token)
        self._by_certificate = MappingProxyType(by_certificate)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all publishers."""
        return tuple(self._by_name)

    def holder_of(self, key: str) -> Publisher | None:
        """The publisher whose key this is."""
        if not key or len(key) > _MAX_KEY_LENGTH:
            return None
        return self._by_digest.get(sha256(key.encode()).hexdigest())

    def owner_of_token(self, subject: str) -> Publisher | None:
        """The publisher that a verified token is of."""
        return self._by_token.get(subject)

    def owner_of_certificate(self, names: Iterable[str]) -> Publisher | None:
        """The publisher that a verified certificate is of; none if its names are of several."""
        owners = {
            self._by_certificate[name].name: self._by_certificate[name]
            for name in names
            if name in self._by_certificate
        }
        return next(iter(owners.values())) if len(owners) == 1 else None

    def owner_of(self, source: str) -> Publisher | None:
        """The publisher whose name a CloudEvents `source` begins with."""
        return self._by_name.get(source.split("/", 2)[1])


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

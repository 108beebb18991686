"""Reads the register of publishers from its file."""

import re
from pathlib import Path

from purposewatch_contract import PUBLISHER_PATTERN, SOURCE_PATTERN
from purposewatch_ingest.publishers import Publisher, PublisherRegister, RateLimits
from purposewatch_policy import CONTROLLER_PATTERN, TERM_PATTERN, InvalidSourceError
from purposewatch_policy.yaml_reader import (
    Fields,
    MappingNode,
    ScalarNode,
    SourceError,
    as_mapping,
    read_mapping,
)

_FIELDS = (
    *("key_sha256", "token_subjects", "certificate_names"),
    *("controllers", "sources", "facts", "states_facts", "reads_facts"),
    *("erases_subjects", "limits", "paused"),
)
_DIGEST = r"[0-9a-f]{64}"
_SUBJECT = r"[^\x00-\x1f\x7f]{1,255}"
_CERTIFICATE_NAME = r"(CN|DNS|URI):[^\x00-\x1f\x7f]{1,255}"
_FACTS = rf"{TERM_PATTERN.removesuffix('$')}(\.\*)?|\*"
_MOST = 10**9
_BURST_SECONDS = 10
"""Unless stated, the burst is what the rate gives in this time."""


def load_register(path: Path) -> PublisherRegister:
    """Read the register's file. Raises `InvalidSourceError` with every fault of it."""
    errors: list[SourceError] = []
    root = read_mapping(path, errors)
    entries = []
    if root is not None:
        fields = Fields(root, ("publishers",), "the register", errors)
        publishers = fields.mapping("publishers", required=True)
        holders: dict[tuple[str, str], str] = {}
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
    name: str, node: MappingNode, holders: dict[tuple[str, str], str], errors: list[SourceError]
) -> tuple[Publisher, list[str]]:
    fields = Fields(node, _FIELDS, "a publisher", errors)
    digests = _matching(fields.names("key_sha256"), _DIGEST, _DIGEST_ADVICE, errors)
    subjects = _matching(
        fields.names("token_subjects"),
        _SUBJECT,
        "is not a token's subject of 1 to 255 characters",
        errors,
    )
    names = _matching(
        fields.names("certificate_names"),
        _CERTIFICATE_NAME,
        "is not a certificate's name such as `CN:crm`, `DNS:crm.example` or `URI:spiffe://…`",
        errors,
    )
    for field, credentials in (
        ("key_sha256", digests),
        ("token_subjects", subjects),
        ("certificate_names", names),
    ):
        for credential in credentials:
            if holders.setdefault((field, credential), name) != name:
                other = holders[field, credential]
                message = f"`{name}` and `{other}` have a key in common; give each its own"
                errors.append(fields.location(field).error(message))
    controllers = _matching(
        fields.names("controllers", required=True),
        CONTROLLER_PATTERN,
        "is not a controller's name; write one such as `wework-labs`",
        errors,
    )
    publisher = Publisher(
        name,
        frozenset(controllers),
        sources=_read_sources(name, fields, errors),
        facts=_read_facts(fields, errors),
        states_facts=_read_fact_patterns("states_facts", fields, errors),
        reads_facts=_read_fact_patterns("reads_facts", fields, errors),
        erases_subjects=fields.flag("erases_subjects"),
        limits=_read_limits(fields, errors),
        token_subjects=frozenset(subjects),
        certificate_names=frozenset(names),
        paused=fields.text("paused", required=True) if fields.states("paused") else None,
    )
    return publisher, digests


def _read_sources(name: str, fields: Fields, errors: list[SourceError]) -> tuple[str, ...] | None:
    nodes = fields.names("sources")
    if nodes is None:
        return None
    own = rf"(?=/{re.escape(name)}(/|$)){SOURCE_PATTERN}"
    advice = f"is not `/{name}` or a path below it"
    return tuple(_matching(nodes, own, advice, errors))


def _read_facts(fields: Fields, errors: list[SourceError]) -> frozenset[str] | None:
    nodes = fields.names("facts")
    if nodes is None:
        return None
    advice = "is not a fact's name; write one such as `consent.marketing`"
    return frozenset(_matching(nodes, TERM_PATTERN, advice, errors))


def _read_fact_patterns(field: str, fields: Fields, errors: list[SourceError]) -> frozenset[str]:
    advice = "is not a pattern of facts; write `consent.marketing`, `consent.*` or `*`"
    return frozenset(_matching(fields.names(field), _FACTS, advice, errors))


def _read_limits(fields: Fields, errors: list[SourceError]) -> RateLimits | None:
    node = fields.mapping("limits")
    if node is None:
        return None
    limits = Fields(node, ("events_per_second", "burst", "events_per_day"), "limits", errors)
    rate = limits.integer("events_per_second", 1, _MOST)
    burst = limits.integer("burst", 1, _MOST)
    per_day = limits.integer("events_per_day", 1, _MOST)
    if burst is not None and rate is None:
        limits.error("`burst` needs `events_per_second`; state both", limits.location("burst"))
    if rate is None and per_day is None:
        limits.error("`limits` is empty; state `events_per_second`, `events_per_day` or both")
    return RateLimits(rate, burst or _BURST_SECONDS * (rate or 0), per_day)


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

"""The files that operators write: YAML of policies, registers, keys, routes and mappings.

A loader returns something that works, or raises `InvalidSourceError` with faults that name a line.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from purposewatch_connect.mapping import load_mapping
from purposewatch_ingest.pseudonyms.key_file import load_key_ring
from purposewatch_ingest.register_file import load_register
from purposewatch_policy import InvalidSourceError, PolicySet, load_policies
from purposewatch_policy.cases import load_cases
from purposewatch_policy.decide import decide
from purposewatch_policy.lint import lint_path
from purposewatch_policy.yaml_reader import read_mapping
from purposewatch_reporter.alerts.routing_file import load_routing
from purposewatch_reporter.counting.rules_file import load_rules
from purposewatch_runtime.signing import load_trusted_keys
from tests.fuzz.target import Run, Target
from tests.harness.environment import POLICIES
from tests.unit.policy import reference
from tests.unit.policy.random_worlds import World
from tests.unit.policy.test_against_reference import as_findings

_ROOT = Path(__file__).parents[3]
_SOUND = _ROOT / "tests" / "unit" / "policy" / "sound"
_BROKEN = _ROOT / "tests" / "unit" / "policy" / "broken"
_FLOWS = 6


def _load(loader: Callable[[Path], object], path: Path) -> object | None:
    """What the loader returns; `None` if it names faults, each in a line of its file."""
    try:
        return loader(path)
    except InvalidSourceError as error:
        faults = error.errors
    assert faults
    # YAML has further line breaks
    lines = len(path.read_text("utf-8", "replace").splitlines()) + 2 if path.is_file() else 0
    for fault in faults:
        assert fault.message
        assert 0 <= fault.line <= lines or not path.is_file()
    return None


@contextmanager
def _one_file(loader: Callable[[Path], object], name: str) -> Iterator[Run]:
    with TemporaryDirectory() as directory:
        path = Path(directory, name)
        path.parent.mkdir(exist_ok=True)

        def run(data: bytes) -> None:
            path.write_bytes(data)
            _load(loader, path)

        yield run


def _parsed(path: Path) -> object:
    """What the reader of all these files makes of one."""
    errors: list[object] = []
    root = read_mapping(path, errors)  # type: ignore[arg-type]
    if errors:
        raise InvalidSourceError(errors)  # type: ignore[arg-type]
    assert root is not None
    return root.plain()


@contextmanager
def _tree(name: str) -> Iterator[Run]:
    """A sound tree of policies in which one file is what is given."""
    with TemporaryDirectory() as directory:
        home = Path(directory)
        shutil.copytree(_SOUND, home, dirs_exist_ok=True)

        def run(data: bytes) -> None:
            (home / name).write_bytes(data)
            policies = _load(load_policies, home)
            lint_path(home)
            if isinstance(policies, PolicySet):
                _check_decisions(policies, Random(data))  # noqa: S311 - to be repeated

        yield run


def _check_decisions(policies: PolicySet, rng: Random) -> None:
    """Compare decisions about flows close to the statements with the naive checker's."""
    for controller in policies.controllers:
        versions = [each.policy for each in policies.versions(controller)]
        vocabulary = policies.vocabularies[controller]
        terms = {name: each for name, each in vocabulary.taxonomies().items() if name != "facts"}
        if not versions or not all(terms.values()):
            continue  # there are no flows to draw
        world = World(vocabulary, versions)
        for _ in range(_FLOWS):
            flow, at = world.flow(rng)
            expected = reference.check(flow, at, {controller: vocabulary}, versions)
            assert as_findings(decide(flow, at, policies)) == expected


def _sound(name: str) -> tuple[bytes, ...]:
    """The files of the sound tree of this name."""
    return tuple(path.read_bytes() for path in sorted(_SOUND.glob(name)))


def _broken(name: str) -> tuple[bytes, ...]:
    """The faulty files of this name, each with one fault."""
    return tuple(path.read_bytes() for path in sorted(_BROKEN.glob(f"*/{name}")))


_ALIASES = b"a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"
_YAML = (
    *(b"&a ", b"*a", b"!!python/object:os.system ", b"!!binary ", b"<<: *a", b"---\n", b"...\n"),
    *(b"? ", b"- ", b": ", b"|\n  ", b">-\n  ", b"%YAML 1.1\n", b"# c\n", b"\t", b"{}", b"[]"),
    *(b"{en: x}", b"[a, b]", b"~", b"null", b"yes", b"no", b"0x1f", b"1_0", b"1e3", b"2020-01-01"),
    *(b"2020-01-01T00:00:00+08:00", b"\xc2\xa0", b"\xe2\x80\xa9", b"\xef\xbb\xbf", b"\\x41"),
)
_RICH = b"""controller: acme
version: "1"
in_force_from: 2020-01-01T00:00:00+08:00
title: {en: Privacy policy of Acme}
document: {language: en, title: Privacy policy}
sections: {members: {en: Members}}
defined_terms:
  details: {data_categories: [user.contact]}
  anyone: {recipients: [third_party]}
statements:
  - id: members.a
    clause: members.1
    effect: permit
    roles: [member]
    data_categories: [user]
    operations: [collect, use]
    except: {data_categories: [user.health]}
    purposes: [service]
    sources: [data_subject]
  - id: members.b
    clause: members.2
    effect: permit
    defined_terms: [details, anyone]
    operations: [share]
    purposes: [marketing]
    retention_days: {at_least: 2, at_most: 3}
    locations: [eu]
    legal_bases: [consent]
    when: [consent.marketing]
  - id: members.c
    clause: members.3
    effect: prohibit
    data_categories: [user.health]
    operations: [share]
    recipients: [third_party.advertising]
    unless: [consent.marketing]
"""
_POLICY = tuple(
    each.encode()
    for each in (
        *("permit", "prohibit", "except: {purposes: [marketing]}", "retention: {at_most_days: 3}"),
        *("unless", "when: [consent]", "in_force_until:", "defined_terms:", "recipients:"),
        *("members.contact", "user.health", "user.contact", "third_party", "first_party", "eu"),
        *("marketing", "service", "member", "employer", "consent", "contract", "collect", "use"),
    )
)
_REGISTER = f"""publishers:
  crm:
    key_sha256: [{sha256(b"one").hexdigest()}]
    token_subjects: [client-of-crm]
    certificate_names: ["CN:crm"]
    controllers: [wework-labs, linggan-house]
    sources: [/crm/newsletter]
    facts: [consent.marketing]
    states_facts: ["*"]
    reads_facts: [consent.*]
    erases_subjects: true
    limits: {{events_per_second: 10, burst: 20, events_per_day: 1000}}
  billing: {{controllers: [wework-labs], paused: it sends test data}}
""".encode()
_KEYS = f"""keys:
  wework-labs:
    - {{id: "2", key: {"ab" * 32}, from: "2026-01-01T00:00:00Z"}}
    - {{id: "1", key: {"cd" * 32}}}
  "*": [{{id: "1", key: q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=}}]
""".encode()
_TRUSTED = b"""required: [events, facts, verdicts, dead-letters]
keys:
  - {service: ingest, public_key: MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=}
  - service: auditor
    public_key: MCowBQYDK2VwAyEAA6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=
    until: 2027-01-01T00:00:00Z
"""
_COUNTING = b"""rules:
  exported-by-one:
    note: a
    flow: {operation: share, data_categories: [user.contact], outcomes: [permitted]}
    controllers: [acme]
    publishers: [crm]
    count: subjects
    more_than: 100
    within_minutes: 60
    per: [publisher]
    severity: high
"""
_ROUTING = b"""channels:
  alertmanager: {type: alertmanager, urls: [http://a:9093], resend_seconds: 60, hold_seconds: 360}
  team: {type: apprise, url: "mailto://x", repeat_minutes: 240}
  tickets: {type: webhook, url_file: secrets/url, secret_file: secrets/key, timeout_seconds: 5}
routes:
  - {controllers: [wework-labs], severities: [high, critical], channels: [alertmanager, team]}
  - {kinds: [ledger, prohibited], roles: [member], channels: [tickets]}
default: [alertmanager]
severities:
  - {data_categories: [user.financial], recipients: [third_party], severity: critical}
"""

TARGETS = (
    Target(
        "yaml",
        (_ALIASES, b"a: {b: [1, ~, 'x']}\n", b"? [a]\n: b\n", _REGISTER, *_broken("acme/*.yaml")),
        partial(_one_file, _parsed, "file.yaml"),
        _YAML,
        max_bytes=65_536,
    ),
    Target(
        "yaml-policy",
        (_RICH, *_sound("acme/policy*"), *_broken("acme/policy.1*")),
        partial(_tree, "acme/policy.1.yaml"),
        (*_YAML, *_POLICY),
        max_seconds=3,
    ),
    Target(
        "yaml-vocabulary",
        (
            *_sound("*/vocabulary.yaml"),
            *_sound("vocabulary/*.yaml"),
            *_broken("acme/vocabulary.yaml"),
            *_broken("vocabulary/*.yaml"),
        ),
        partial(_tree, "acme/vocabulary.yaml"),
        (*_YAML, *_POLICY),
        max_seconds=3,
    ),
    Target(
        "yaml-cases",
        ((POLICIES / "wework-labs" / "cases.yaml").read_bytes()[:2_400],),
        partial(_one_file, load_cases, "wework-labs/cases.yaml"),
        (*_YAML, *_POLICY),
    ),
    Target(
        "yaml-register",
        (_REGISTER,),
        partial(_one_file, load_register, "publishers.yaml"),
        _YAML,
    ),
    Target(
        "yaml-keys",
        (_KEYS,),
        partial(_one_file, load_key_ring, "keys.yaml"),
        _YAML,
    ),
    Target(
        "yaml-routing",
        (_ROUTING,),
        partial(_one_file, load_routing, "alerting.yaml"),
        _YAML,
    ),
    Target(
        "yaml-counting",
        (_COUNTING,),
        partial(_one_file, partial(load_rules, vocabularies={}), "counting.yaml"),
        _YAML,
    ),
    Target(
        "yaml-trusted-keys",
        (_TRUSTED,),
        partial(_one_file, partial(load_trusted_keys, topic_prefix="a"), "keys.yaml"),
        _YAML,
    ),
    Target(
        "yaml-mapping",
        ((_ROOT / "connectors" / "examples" / "mapping.yaml").read_bytes(),),
        partial(_one_file, load_mapping, "mapping.yaml"),
        _YAML,
    ),
)

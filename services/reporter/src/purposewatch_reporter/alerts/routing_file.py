"""Reads the alerting file: channels, routes and severities, with the line of every fault."""

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

from pydantic import SecretStr

from purposewatch_policy import CONTROLLER_PATTERN, TERM_PATTERN, InvalidSourceError, Kind
from purposewatch_policy.yaml_reader import (
    Fields,
    MappingNode,
    Node,
    ScalarNode,
    SourceError,
    as_mapping,
    did_you_mean,
    read_mapping,
)
from purposewatch_reporter.alerts.apprise import is_address
from purposewatch_reporter.alerts.notices import FORMER_KINDS, NoticeKind
from purposewatch_reporter.alerts.routing import (
    Address,
    AlertmanagerSpec,
    AppriseSpec,
    ChannelSpec,
    DiscoveryPolicy,
    Route,
    Routing,
    SecretFile,
    SeverityRule,
    WebhookSpec,
)
from purposewatch_reporter.findings.group import UNKNOWN
from purposewatch_reporter.findings.severity import Severity

_NAME_PATTERN = r"[a-z][a-z0-9-]{0,30}"
_COMMON = ("type", "timeout_seconds")
_TYPES: Mapping[str, tuple[str, ...]] = {
    "alertmanager": ("urls", "authorization_file", "resend_seconds", "hold_seconds"),
    "webhook": ("url", "url_file", "secret_file", "repeat_minutes"),
    "apprise": ("url", "url_file", "repeat_minutes"),
}
_KINDS = (*map(str, Kind), UNKNOWN)
_ROUTED_KINDS = (*_KINDS, *map(str, NoticeKind))
_SEVERITIES = tuple(map(str, Severity))
_RULE_FIELDS: Mapping[str, str] = {
    "controllers": "controller",
    "roles": "role",
    "kinds": "kind",
    "data_categories": "data_category",
    "purposes": "purpose",
    "recipients": "recipient",
    "publishers": "publisher",
}
_WEEK = 7 * 24 * 60

_VALID, _INVALID, _USAGE = 0, 1, 2


def load_routing(path: Path) -> Routing:
    """Read the file. Raises `InvalidSourceError` with every fault.

    Names deprecated kinds on standard error.
    """
    errors: list[SourceError] = []
    root = read_mapping(path, errors)
    routing = Routing() if root is None else _Reader(path.parent, errors).read(root)
    if errors:
        raise InvalidSourceError(errors)
    return routing


def check_routing(arguments: Sequence[str]) -> int:
    """Check the file that `check-routing` names: print every fault, or a summary; the exit status.

    Secrets are not read.
    """
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m purposewatch_reporter check-routing FILE\n")
        return _USAGE
    try:
        routing = load_routing(Path(arguments[0]))
    except InvalidSourceError as error:
        sys.stderr.write(f"{error}\n")
        return _INVALID
    sys.stdout.write(
        f"good: {len(routing.endpoints)} channels ({', '.join(routing.endpoints)}), "
        f"{len(routing.routes)} routes, {len(routing.severity_rules)} severity rules\n"
    )
    return _VALID


class _Reader:
    """Reads the parts of one file."""

    def __init__(self, directory: Path, errors: list[SourceError]) -> None:
        self._directory = directory
        self._errors = errors
        self._used: set[str] = set()

    def read(self, root: MappingNode) -> Routing:
        fields = Fields(
            root,
            ("channels", "routes", "default", "severities", "discovery"),
            "the file",
            self._errors,
        )
        channels = fields.mapping("channels", required=True)
        specs = [] if channels is None else self._channels(channels)
        declared = () if channels is None else tuple(channels.entries)
        routes = [self._route(node, declared) for node in fields.items("routes")]
        default = self._channel_names(fields, "default", declared)
        for name in declared:
            if name not in self._used and channels is not None:
                message = f"no route leads to `{name}`; name it in a route or in `default`"
                fields.error(message, channels.key_at[name])
        return Routing(
            specs=tuple(specs),
            routes=tuple(route for route in routes if route is not None),
            default=default,
            severity_rules=tuple(
                rule for node in fields.items("severities") if (rule := self._rule(node))
            ),
            discovery=self._discovery(fields.mapping("discovery")),
        )

    def _discovery(self, node: MappingNode | None) -> DiscoveryPolicy:
        usual = DiscoveryPolicy()
        if node is None:
            return usual
        known = ("third_parties", "recipients", "flows", "learning_days")
        fields = Fields(node, known, "`discovery`", self._errors)
        days = fields.integer("learning_days", 0, 365)
        return DiscoveryPolicy(
            third_parties=fields.flag("third_parties") or not fields.states("third_parties"),
            recipients=fields.flag("recipients"),
            flows=fields.flag("flows"),
            learning=usual.learning if days is None else timedelta(days=days),
        )

    def _channels(self, channels: MappingNode) -> list[ChannelSpec]:
        specs = []
        for name, node in channels.entries.items():
            if not re.fullmatch(_NAME_PATTERN, name):
                message = f"`{name}` is not a valid channel name; write one such as `privacy-team`"
                self._errors.append(channels.key_at[name].error(message))
            details = as_mapping(node, f"`{name}`", self._errors)
            if details is not None and (spec := self._channel(name, details)) is not None:
                specs.append(spec)
        return specs

    def _channel(self, name: str, node: MappingNode) -> ChannelSpec | None:
        every = {field for fields in _TYPES.values() for field in fields}
        peek: list[SourceError] = []
        kind = Fields(node, (*_COMMON, *every), "a channel", peek).text("type")
        if kind not in _TYPES:
            fields = Fields(node, (*_COMMON, *sorted(every)), "a channel", self._errors)
            message = f"a channel's `type` is one of {_listed(_TYPES)}{did_you_mean(kind, _TYPES)}"
            fields.error(message, fields.location("type"))
            return None
        what = f"a channel of type `{kind}`"
        fields = Fields(node, (*_COMMON, *_TYPES[kind]), what, self._errors)
        timeout = fields.integer("timeout_seconds", 1, 60)
        if kind == "alertmanager":
            return AlertmanagerSpec(
                name,
                urls=self._urls(fields),
                authorization=self._file(fields, "authorization_file"),
                timeout_seconds=5 if timeout is None else timeout,
                resend_seconds=_or(fields.integer("resend_seconds", 1, 3_600), 60),
                hold_seconds=_or(fields.integer("hold_seconds", 0, 86_400), 360),
            )
        address = self._address(fields, kind)
        repeat = fields.integer("repeat_minutes", 1, _WEEK)
        if kind == "webhook":
            secret = self._file(fields, "secret_file")
            return WebhookSpec(name, address, secret, _or(timeout, 5), repeat)
        return AppriseSpec(name, address, _or(timeout, 30), repeat)

    def _urls(self, fields: Fields) -> tuple[str, ...]:
        urls = fields.names("urls", required=True) or ()
        for url in urls:
            if not _is_http(url.text):
                fields.error("an address must begin with `https://` or `http://`", url.at)
        return tuple(url.text for url in urls)

    def _file(self, fields: Fields, name: str) -> SecretFile | None:
        text = fields.text(name)
        return SecretFile(self._directory / text) if text else None

    def _address(self, fields: Fields, kind: str) -> Address:
        given = [name for name in ("url", "url_file") if fields.states(name)]
        if len(given) != 1:
            message = "give either `url` or, when it holds a secret, `url_file`"
            fields.error(message, fields.location(given[-1]) if given else None)
        file = self._file(fields, "url_file")
        if file is not None:
            return file
        url = SecretStr(fields.text("url"))
        # the address is not repeated in the message, it may hold a secret
        if fields.states("url") and kind == "webhook" and not _is_http(url.get_secret_value()):
            message = "`url` must begin with `https://` or `http://`"
            fields.error(message, fields.location("url"))
        if fields.states("url") and kind == "apprise" and not is_address(url):
            message = "`url` is not an address that Apprise supports; see its list of services"
            fields.error(message, fields.location("url"))
        return url

    def _route(self, node: Node, declared: tuple[str, ...]) -> Route | None:
        details = as_mapping(node, "a route", self._errors)
        if details is None:
            return None
        known = ("controllers", "kinds", "severities", "channels")
        fields = Fields(details, known, "a route", self._errors)
        return Route(
            channels=self._channel_names(fields, "channels", declared),
            controllers=self._patterned(fields, "controllers", CONTROLLER_PATTERN),
            kinds=self._chosen(fields, "kinds", _ROUTED_KINDS, FORMER_KINDS),
            severities=self._chosen(fields, "severities", _SEVERITIES),
        )

    def _rule(self, node: Node) -> SeverityRule | None:
        details = as_mapping(node, "a severity rule", self._errors)
        if details is None:
            return None
        fields = Fields(details, ("severity", *_RULE_FIELDS), "a severity rule", self._errors)
        severity = fields.text("severity", required=True)
        if severity and severity not in _SEVERITIES:
            fields.error(
                f"`{severity}` is not a severity; write one of {_listed(_SEVERITIES)}",
                fields.location("severity"),
            )
        conditions = []
        for name, field in _RULE_FIELDS.items():
            if field == "kind":
                values = self._chosen(fields, name, _KINDS)
            elif field in ("controller", "publisher"):
                values = self._patterned(fields, name, CONTROLLER_PATTERN)
            else:
                values = self._patterned(fields, name, TERM_PATTERN)
            if values is not None:
                conditions.append((field, values))
        if not conditions:
            fields.error("a severity rule needs a condition, such as `data_categories: [...]`")
        return SeverityRule(
            Severity(severity) if severity in _SEVERITIES else Severity.MEDIUM, tuple(conditions)
        )

    def _channel_names(
        self, fields: Fields, name: str, declared: tuple[str, ...]
    ) -> tuple[str, ...]:
        names = fields.names(name, required=True) or ()
        for item in names:
            self._used.add(item.text)
            if item.text not in declared:
                message = f"there is no channel `{item.text}`{did_you_mean(item.text, declared)}"
                fields.error(f"{message}; declare it under `channels`", item.at)
        return tuple(item.text for item in names)

    def _chosen(
        self,
        fields: Fields,
        name: str,
        known: tuple[str, ...],
        renamed: Mapping[str, str] = MappingProxyType({}),
    ) -> frozenset[str] | None:
        items = fields.names(name)
        for item in items or ():
            if item.text in renamed:
                new = renamed[item.text]
                message = f"`{item.text}` is renamed; write `{new}`"
                warning = item.at.error(f"{message}, the next release rejects the old name")
                sys.stderr.write(f"{warning}\n")
            elif item.text not in known:
                hint = did_you_mean(item.text, known) or f"; there are {_listed(known)}"
                fields.error(f"`{item.text}` is not one of the {name}{hint}", item.at)
        texts = _texts(items)
        return texts and frozenset(renamed.get(text, text) for text in texts)

    def _patterned(self, fields: Fields, name: str, pattern: str) -> frozenset[str] | None:
        items = fields.names(name)
        for item in items or ():
            if not re.fullmatch(pattern, item.text):
                fields.error(f"`{item.text}` can't be one of the {name}; correct it", item.at)
        return _texts(items)


def _texts(items: tuple[ScalarNode, ...] | None) -> frozenset[str] | None:
    return None if items is None else frozenset(item.text for item in items)


def _or(value: int | None, default: int) -> int:
    return default if value is None else value


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)

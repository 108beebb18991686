"""The alerting file: what it means, and where its faults are."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from purposewatch_policy import InvalidSourceError
from purposewatch_reporter.alerts.apprise import AppriseChannel
from purposewatch_reporter.alerts.channels import make_channels, routing_from
from purposewatch_reporter.alerts.routing import (
    AlertmanagerSpec,
    AppriseSpec,
    Route,
    Routing,
    SecretFile,
    WebhookSpec,
)
from purposewatch_reporter.alerts.routing_file import check_routing, load_routing
from purposewatch_reporter.findings.group import Group
from purposewatch_reporter.findings.severity import Severity, severity_table
from purposewatch_reporter.settings import ReporterSettings
from purposewatch_runtime.service import FatalError
from tests.unit.reporter.conftest import NOW

# Apprise looks for a module that Python is about to drop
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

EXAMPLE = Path("deploy/alerting/alerting.yaml")

GOOD = """\
channels:
  cluster:
    type: alertmanager
    urls: [http://one:9093, http://two:9093]
    authorization_file: token
    resend_seconds: 30
    hold_seconds: 300
  team: {type: apprise, url: "json://host/path", repeat_minutes: 240}
  hook: {type: webhook, url_file: hook, secret_file: /secrets/hook, timeout_seconds: 9}
routes:
  - controllers: [wework-labs]
    severities: [high, critical]
    channels: [team]
  - {kinds: [ledger, channel], channels: [hook, cluster]}
default: [cluster]
severities:
  - {data_categories: [user.financial], recipients: [third_party], severity: critical}
  - {kinds: [undeclared_operation], severity: low}
"""


def load(directory: Path, text: str) -> Routing:
    """Read this file."""
    path = directory / "alerting.yaml"
    path.write_text(text, "utf-8")
    return load_routing(path)


def faults(directory: Path, text: str) -> list[str]:
    """The faults of this file, without its directory."""
    with pytest.raises(InvalidSourceError) as caught:
        load(directory, text)
    return [str(error).removeprefix(f"{directory}/") for error in caught.value.errors]


def test_everything_that_can_be_said(tmp_path: Path) -> None:
    """Channels, routes, severities, with the defaults of what is left out."""
    routing = load(tmp_path, GOOD)
    assert routing.specs == (
        AlertmanagerSpec(
            "cluster",
            ("http://one:9093", "http://two:9093"),
            SecretFile(tmp_path / "token"),
            resend_seconds=30,
            hold_seconds=300,
        ),
        AppriseSpec("team", SecretStr("json://host/path"), 30, 240),
        WebhookSpec("hook", SecretFile(tmp_path / "hook"), SecretFile(Path("/secrets/hook")), 9),
    )
    assert routing.routes[0] == Route(
        ("team",),
        controllers=frozenset({"wework-labs"}),
        severities=frozenset({"high", "critical"}),
    )
    assert routing.endpoints == ("cluster/1", "cluster/2", "team", "hook")
    assert routing.channels("wework-labs", "prohibited", "high") == ("team",)
    assert routing.channels("wework-labs", "prohibited", "low") == ("cluster/1", "cluster/2")
    assert routing.channels(None, "ledger", "critical") == ("cluster/1", "cluster/2", "hook")


def test_the_former_name_of_a_kind_is_deprecated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It means the new one, with a warning that names the line."""
    routing = load(tmp_path, GOOD.replace("[ledger, channel]", "[books, channel]"))
    assert routing == load(tmp_path, GOOD)
    line = GOOD[: GOOD.index("[ledger")].count("\n") + 1
    warning = "`books` is renamed; write `ledger`, the next release rejects the old name"
    assert capsys.readouterr().err == f"{tmp_path}/alerting.yaml:{line}: {warning}\n"


def test_the_first_rule_that_applies_gives_the_severity(tmp_path: Path) -> None:
    """A term covers what is below it; without a rule the table decides."""
    severity_of = load(tmp_path, GOOD).severity_of(severity_table({}))
    group = Group("c", "member", "undeclared_operation", "user.name", "essential", "public", "crm")
    assert severity_of(group) is Severity.LOW
    assert severity_of(group._replace(kind="undeclared_source")) is Severity.HIGH
    money = group._replace(data_category="user.financial.iban", recipient="third_party.lender")
    assert severity_of(money) is Severity.CRITICAL
    assert severity_of(money._replace(data_category="user.financials")) is Severity.LOW


LACKS = "alerting.yaml:1: the file lacks `default`; add it"
UNUSED = "alerting.yaml:2: no route leads to `hook`; name it in a route or in `default`"
HOOK = "channels:\n  hook: {type: webhook, url: http://x}\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            HOOK.replace("webhook", "webhok") + "default: [hook]\n",
            (
                "alerting.yaml:2: a channel's `type` is one of `alertmanager`, `webhook`, "
                "`apprise`; did you mean `webhook`?"
            ),
        ),
        (
            HOOK.replace("http", "ftp") + "default: [hook]\n",
            "alerting.yaml:2: `url` must begin with `https://` or `http://`",
        ),
        (
            HOOK.replace("}", ", url_file: y}") + "default: [hook]\n",
            "alerting.yaml:2: give either `url` or, when it holds a secret, `url_file`",
        ),
        (
            "channels:\n  chat: {type: apprise, url: nonsense}\ndefault: [chat]\n",
            (
                "alerting.yaml:2: `url` is not an address that Apprise supports; see its "
                "list of services"
            ),
        ),
        (
            HOOK + "default: [hok]\n",
            (
                f"{UNUSED}\nalerting.yaml:3: there is no channel `hok`; did you mean `hook`?; "
                "declare it under `channels`"
            ),
        ),
        (HOOK, f"{LACKS}\n{UNUSED}"),
        (
            HOOK.replace("}", ", hold_seconds: 3}") + "default: [hook]\n",
            "alerting.yaml:2: unknown field `hold_seconds`; did you mean `timeout_seconds`?",
        ),
        (
            HOOK + "default: [hook]\nroutes:\n"
            "  - {kinds: [prohibitted], channels: [hook]}\n"
            "  - {severities: [hot], channels: [hook]}\n"
            "  - {controllers: [A B], channels: [hook]}\n",
            (
                "alerting.yaml:5: `prohibitted` is not one of the kinds; did you mean "
                "`prohibited`?\n"
                "alerting.yaml:6: `hot` is not one of the severities; there are `low`, `medium`, "
                "`high`, `critical`\n"
                "alerting.yaml:7: `A B` can't be one of the controllers; correct it"
            ),
        ),
        (
            (
                "channels:\n  c: {type: alertmanager, urls: [one], resend_seconds: 0}\n"
                "default: [c]\nseverities:\n  - {severity: high}\n  - {roles: [a], severity: x}\n"
            ),
            (
                "alerting.yaml:2: an address must begin with `https://` or `http://`\n"
                "alerting.yaml:2: `resend_seconds` is `0`; write a whole number from 1 to 3600, "
                "unquoted\n"
                "alerting.yaml:5: a severity rule needs a condition, such as "
                "`data_categories: [...]`\n"
                "alerting.yaml:6: `x` is not a severity; write one of `low`, `medium`, `high`, "
                "`critical`"
            ),
        ),
    ],
    ids=[
        "type",
        "scheme",
        "two-addresses",
        "apprise",
        "route",
        "default",
        "field",
        "conditions",
        "values",
    ],
)
def test_faults_are_named_with_their_line(tmp_path: Path, text: str, expected: str) -> None:
    """All of them at once, with what to do."""
    assert faults(tmp_path, text) == expected.split("\n")


def test_an_address_is_not_repeated_in_a_fault(tmp_path: Path) -> None:
    """It may hold a secret."""
    text = "channels:\n  hook: {type: webhook, url: 'slack://the-token'}\ndefault: [hook]\n"
    assert "the-token" not in "".join(faults(tmp_path, text))


def test_secrets_are_read_when_the_channels_are_made(tmp_path: Path) -> None:
    """One that can't be read is named by its file."""
    routing = load(tmp_path, GOOD.replace("/secrets/hook", "secret"))
    (tmp_path / "token").write_text("Bearer abc\n", "utf-8")
    (tmp_path / "hook").write_text("https://hooks.example/token\n", "utf-8")
    with pytest.raises(FatalError, match=r"cannot read the secret in .*secret"):
        make_channels(routing, lambda: NOW)
    (tmp_path / "secret").write_text("\n", "utf-8")
    with pytest.raises(FatalError, match="is empty; fill it in"):
        make_channels(routing, lambda: NOW)
    (tmp_path / "secret").write_text("signs all alerts\n", "utf-8")
    channels = make_channels(routing, lambda: NOW)
    assert tuple(channel.name for channel in channels) == routing.endpoints
    assert isinstance(channels[2], AppriseChannel)


def test_the_check_prints_what_the_file_amounts_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without reading a secret; or every fault, and an exit code for scripts."""
    load(tmp_path, GOOD)
    assert check_routing([str(tmp_path / "alerting.yaml")]) == 0
    assert capsys.readouterr().out == (
        "good: 4 channels (cluster/1, cluster/2, team, hook), 2 routes, 2 severity rules\n"
    )
    (tmp_path / "bad.yaml").write_text("channels: {}\n", "utf-8")
    assert check_routing([str(tmp_path / "bad.yaml")]) == 1
    assert "bad.yaml:1: the file lacks `default`; add it" in capsys.readouterr().err
    assert check_routing([]) == 2
    assert "usage" in capsys.readouterr().err


def test_the_example_is_good() -> None:
    """The one that is shipped."""
    assert load_routing(EXAMPLE).endpoints


def test_without_a_file_the_webhook_gets_all(tmp_path: Path) -> None:
    """The settings of before still work; a file takes their place."""
    secret = "a secret that signs"
    settings = ReporterSettings.model_validate(
        {"webhook_url": "https://hooks.example/x", "webhook_secret": secret}
    )
    routing = routing_from(settings)
    assert routing.specs == (
        WebhookSpec("webhook", SecretStr("https://hooks.example/x"), SecretStr(secret), 5.0),
    )
    assert routing.channels("any", "unknown", "low") == ("webhook",)
    assert routing_from(ReporterSettings()).endpoints == ()
    path = tmp_path / "alerting.yaml"
    path.write_text(GOOD, "utf-8")
    settings = ReporterSettings.model_validate({"reporter_alerting_file": str(path)})
    assert len(routing_from(settings).specs) == 3
    path.write_text("channels: {}\n", "utf-8")
    with pytest.raises(FatalError, match=r"alerting\.yaml:1: "):
        routing_from(settings)

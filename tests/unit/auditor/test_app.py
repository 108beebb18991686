"""What the auditor shows of the policies that it has loaded."""

from pathlib import Path

from purposewatch_auditor.app import _show_policies, build_app
from purposewatch_auditor.settings import AuditorSettings
from purposewatch_policy import load_policies
from purposewatch_runtime import metrics as m
from purposewatch_runtime.http import HttpLimits
from tests.harness.http_server import serving

POLICIES = Path(__file__).parents[3] / "policies"


def test_policies_are_shown_with_their_versions() -> None:
    """Each version with its digest and whether it is in force; every outcome starts at 0."""
    metric_set = m.MetricSet("auditor", version="0")
    policies = load_policies(POLICIES)
    _show_policies(metric_set, policies)

    def sample(name: str, **labels: str) -> float | None:
        return metric_set.registry.get_sample_value(name, labels)

    [compiled] = policies.versions("wework-labs")
    version = compiled.policy.version
    of_policy = {"controller": "wework-labs", "version": version}
    assert sample(m.POLICY_INFO.name, digest=compiled.digest, **of_policy) == 1
    assert sample(m.POLICY_IN_FORCE.name, **of_policy) == 1
    assert (sample(m.POLICY_LOADED.name) or 0) > 0
    for outcome, kind in m.OUTCOMES:
        labels = {"controller": "wework-labs", "outcome": outcome, "kind": kind}
        assert sample(m.VERDICTS.exported_name, **labels) == 0
    unjudged = {"controller": "_unjudged", "outcome": "unknown", "kind": "none"}
    assert sample(m.VERDICTS.exported_name, **unjudged) == 0


def test_a_version_that_is_gone_is_no_longer_shown() -> None:
    """After a reload only the loaded versions are shown."""
    metric_set = m.MetricSet("auditor", version="0")
    old = metric_set.gauge(m.POLICY_INFO)
    old.labels("wework-labs", "before", "digest").set(1)
    _show_policies(metric_set, load_policies(POLICIES))

    labels = {"controller": "wework-labs", "version": "before", "digest": "digest"}
    assert metric_set.registry.get_sample_value(m.POLICY_INFO.name, labels) is None


def test_its_http_server_is_as_careful_as_the_others() -> None:
    """Responses have `nosniff`, and no redirect repeats a foreign host."""
    app, _ = build_app(AuditorSettings(policies_dir=POLICIES))
    request = "GET {} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    with serving(app, HttpLimits()) as server:
        metrics = server.exchange(request.format("/metrics").encode()).lower()
        redirected = server.exchange(request.format("/metrics/").encode())

    assert metrics.startswith(b"http/1.1 200 ")
    assert metrics.count(b"x-content-type-options: nosniff") == 1
    assert redirected.startswith(b"HTTP/1.1 404 ")
    assert b"evil.example" not in redirected

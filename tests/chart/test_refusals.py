"""Values that can't work are refused before anything is installed."""

import pytest

from tests.chart.render import CHART, VALUES, helm, template


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("kafka.bootstrapServers=", "name your Kafka in `kafka.bootstrapServers`"),
        ("kafka.users.auditor.passwordSecret.name=", "kafka.users.auditor.passwordSecret"),
        ("postgresql.url=", "name your PostgreSQL in `postgresql.url`"),
        ("postgresql.url=postgresql+asyncpg://u:secret@db/x", "/postgresql/url"),
        ("pseudonyms.keySecret.name=", "pseudonyms.keySecret"),
        ("reporter.apiTokenSecret.name=", "reporter.apiTokenSecret"),
        ("auditor.replicas=7", "7 replicas of `auditor` are more than `kafka.partitions` (6)"),
        ("auditor.replicas=0", "/auditor/replicas"),
        ("auditor.replica=2", "additional properties 'replica' not allowed"),
        ("auditor.settings.PURPOSEWATCH_FACT_WAIT_SECONDS=9", "PURPOSEWATCH_FACT_WAIT_SECONDS"),
        ("auditor.settings.PURPOSEWATCH_FACTS_WAIT_SECONDS=0", "PURPOSEWATCH_FACTS_WAIT_SECONDS"),
        ("reporter.settings.PURPOSEWATCH_LOG_LEVEL=loud", "PURPOSEWATCH_LOG_LEVEL"),
        ("ingest.settings.PURPOSEWATCH_PSEUDONYM_KEY=00", "PURPOSEWATCH_PSEUDONYM_KEY"),
        ("kafka.securityProtocol=SSL", "kafka.certificateSecrets."),
        ("kafka.saslMechanism=OAUTHBEARER", "`kafka.oauth.audience` or `kafka.oauth.tokenUrl`"),
        (
            "kafka.saslMechanism=OAUTHBEARER,kafka.oauth.audience=k,auditor.autoscaling.enabled=true",
            "KEDA has no tokens",
        ),
        ("policies.configMaps.a=b,policies.volume.emptyDir.medium=Memory", "/policies"),
        ("strimzi.cluster.enabled=true,strimzi.cluster.brokers.replicas=1", "replicationFactor"),
        (
            "ingest.autoscaling.enabled=true,ingest.autoscaling.maxReplicas=9",
            "9 replicas of `ingest` are more than",
        ),
        (
            "ingest.autoscaling.enabled=true,ingest.autoscaling.minReplicas=7",
            "`ingest.autoscaling.minReplicas` is above",
        ),
        ("ingest.autoscaling.minReplicas=0", "/ingest/autoscaling/minReplicas"),
    ],
)
def test_a_value_that_can_not_work_is_refused(option: str, says: str) -> None:
    """The error names it."""
    done = template("minimal", "--set", option)
    assert done.returncode != 0
    assert says in done.stderr


def test_more_processes_may_serve_http_than_there_are_partitions() -> None:
    """Only scaling by lag is bounded by them, since ingest also reads the raw topic."""
    done = template("minimal", "--set", "ingest.replicas=9")
    assert done.returncode == 0, done.stderr


def test_helm_finds_nothing_wrong() -> None:
    """Strictly, for every example."""
    options = ("--strict", "--kube-version", "1.36.0")
    for path in VALUES.glob("*.yaml"):
        done = helm("lint", str(CHART), *options, "--values", str(path))
        assert done.returncode == 0, done.stdout


def test_the_chart_that_is_packaged_has_what_its_links_name(tmp_path: object) -> None:
    """Rules, dashboards, topics and rights are files in the package, and it renders the same."""
    done = helm("package", str(CHART), "--destination", str(tmp_path))
    assert done.returncode == 0, done.stderr
    package = done.stdout.strip().rpartition(" ")[2]
    options = ("--kube-version", "1.36.0", "--values", str(VALUES / "everything.yaml"))
    rendered = helm("template", "purposewatch", package, "--namespace", "privacy", *options)
    assert rendered.returncode == 0, rendered.stderr
    assert rendered.stdout == template("everything").stdout

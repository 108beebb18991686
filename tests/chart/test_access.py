"""Who may connect to whom, and how many pods may leave at once."""

import pytest

from tests.chart.render import SERVICES, Manifest, named, of_kind, render


def _policy(name: str, component: str) -> Manifest:
    spec: Manifest = named(render(name), "NetworkPolicy", f"purposewatch-{component}")["spec"]
    return spec


def _ports(rules: list[Manifest]) -> set[int]:
    return {port["port"] for rule in rules for port in rule["ports"]}


@pytest.mark.parametrize("name", ["minimal", "everything"])
def test_each_pod_connects_to_what_it_needs_and_to_nothing_else(name: str) -> None:
    """All to Kafka; the reporter to the database and to receivers of alerts as well."""
    auditor = {53, 9093} if name == "minimal" else {53, 4318, 9093}
    assert _ports(_policy(name, "auditor")["egress"]) == auditor
    assert _ports(_policy(name, "reporter")["egress"]) == {53, 443, 5432, 9093}
    assert _ports(_policy(name, "migration")["egress"]) == {53, 5432}
    ingest = {53, 9093} if name == "minimal" else {53, 443, 5432, 8602, 9093}
    assert _ports(_policy(name, "ingest")["egress"]) == ingest
    for component in (*SERVICES, "migration"):
        assert _policy(name, component)["policyTypes"] == ["Ingress", "Egress"]


def test_a_bundle_of_policies_may_be_fetched() -> None:
    """By each service that loads policies, and only with a bundle."""
    for component in SERVICES:
        assert 443 in _ports(_policy("plaintext", component)["egress"])
    assert 443 not in _ports(_policy("minimal", "auditor")["egress"])


def test_only_monitoring_reaches_an_auditor() -> None:
    """And nobody a migration."""
    [rule] = _policy("minimal", "auditor")["ingress"]
    assert rule["from"] == [
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    ]
    assert "ingress" not in _policy("minimal", "migration")


def test_people_reach_the_page_only_from_where_the_values_say() -> None:
    """Ingest and monitoring always."""
    [rule] = _policy("minimal", "reporter")["ingress"]
    assert len(rule["from"]) == 2
    [rule] = _policy("everything", "reporter")["ingress"]
    assert rule["from"][2:] == [
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}}
    ]


def test_publishers_may_be_restricted() -> None:
    """Everyone reaches ingest, which authenticates; or some, and monitoring."""
    assert _policy("minimal", "ingest")["ingress"] == [
        {"ports": [{"protocol": "TCP", "port": 8600}]}
    ]
    [rule] = _policy("everything", "ingest")["ingress"]
    assert {"namespaceSelector": {}} in rule["from"]
    assert len(rule["from"]) == 2


def test_network_policies_and_budgets_can_be_left_to_the_operator() -> None:
    """Where the cluster has policies of its own."""
    assert of_kind(render("client-certificates"), "NetworkPolicy", "PodDisruptionBudget") == []


def test_one_pod_of_a_service_leaves_at_a_time() -> None:
    """A budget never blocks a drain for good, not even with one replica."""
    for name in ("minimal", "plaintext"):
        budgets = of_kind(render(name), "PodDisruptionBudget")
        assert len(budgets) == 3
        for budget in budgets:
            assert budget["spec"]["maxUnavailable"] == 1
            assert budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


@pytest.mark.parametrize("name", ["minimal", "everything", "client-certificates", "plaintext"])
def test_no_manifest_is_there_twice(name: str) -> None:
    """Kind, namespace and name are unique, and the namespace is stated."""
    found = [
        (each["kind"], each["metadata"]["namespace"], each["metadata"]["name"])
        for each in render(name)
    ]
    assert len(found) == len(set(found))
    kafka = {namespace for kind, namespace, _ in found if kind.startswith("Kafka")}
    assert kafka <= {"kafka" if name == "client-certificates" else "privacy"}
    assert {n for kind, n, _ in found if not kind.startswith("Kafka")} == {"privacy"}

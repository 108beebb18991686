"""What Strimzi and KEDA are asked for: the declared topics and rights, and scaling in bounds."""

import pytest

from deploy.kafka.source.acls import load, rights
from purposewatch_contract import EVENTS, RAW, declared_topics, topic_name
from tests.chart.render import SERVICES, Manifest, environment, named, of_kind, pods, render

PREFIX = "org.Data_access"
"""That of the example with everything."""


@pytest.mark.parametrize(
    ("name", "prefix", "partitions"),
    [("everything", PREFIX, 12), ("client-certificates", "data-access", 6)],
)
def test_topics_are_those_of_the_declaration(name: str, prefix: str, partitions: int) -> None:
    """With every configuration, exact numbers, and names that Kubernetes allows."""
    topics = of_kind(render(name), "KafkaTopic")
    assert {
        each["spec"]["topicName"]: {k: str(v) for k, v in each["spec"]["config"].items()}
        for each in topics
    } == {topic_name(prefix, n): dict(t.config) for n, t in declared_topics().items()}
    assert {each["spec"]["partitions"] for each in topics} == {partitions}
    assert {each["spec"]["replicas"] for each in topics} == {3}
    # a release that is removed by mistake must not take the events with it
    assert {each["metadata"]["annotations"]["helm.sh/resource-policy"] for each in topics} == {
        "keep"
    }


@pytest.mark.parametrize(
    ("name", "prefix", "publishers"),
    [("everything", PREFIX, ("crm",)), ("client-certificates", "data-access", ())],
)
def test_users_have_the_declared_rights_and_no_others(
    name: str, prefix: str, publishers: tuple[str, ...]
) -> None:
    """Those of acls.yaml, under the prefix of the values."""
    users = of_kind(render(name), "KafkaUser")
    granted = {
        (user["metadata"]["name"], acl["resource"]["type"], acl["resource"]["name"], operation)
        for user in users
        for acl in user["spec"]["authorization"]["acls"]
        for operation in acl["operations"]
    }
    acls = load().model_copy(update={"publishers": publishers})
    assert granted == {(r.principal, r.resource, r.name, r.operation) for r in rights(acls, prefix)}
    kind = "tls" if name == "client-certificates" else "scram-sha-512"
    assert {user["spec"]["authentication"]["type"] for user in users} == {kind}


def test_services_use_the_users_that_strimzi_makes() -> None:
    """Their Secrets have the users' names, and the authorities are those of the cluster."""
    manifests = render("everything")
    users = {each["metadata"]["name"] for each in of_kind(manifests, "KafkaUser")}
    for service in ("ingest", "auditor", "reporter"):
        spec = pods(manifests)[service]["spec"]
        held = {each["name"]: each for each in spec["containers"][0]["env"]}
        secret = held["PURPOSEWATCH_KAFKA_SASL_PASSWORD"]["valueFrom"]["secretKeyRef"]
        assert secret == {"name": f"purposewatch-{service}", "key": "password"}
        assert held["PURPOSEWATCH_KAFKA_SASL_USERNAME"]["value"] == secret["name"]
        assert secret["name"] in users
        [authorities] = [each for each in spec["volumes"] if each["name"] == "kafka-ca"]
        assert authorities["secret"]["secretName"] == "purposewatch-cluster-ca-cert"


def test_the_cluster_loses_nothing_with_one_zone() -> None:
    """Three replicas in three zones, two of which acknowledge; nobody without rights gets in."""
    manifests = render("everything")
    spec = named(manifests, "Kafka", "purposewatch")["spec"]["kafka"]
    assert spec["config"]["min.insync.replicas"] == 2
    assert spec["config"]["default.replication.factor"] == 3
    assert spec["config"]["auto.create.topics.enable"] is False
    assert spec["authorization"] == {"type": "simple"}
    assert [(each["tls"], each["authentication"]["type"]) for each in spec["listeners"]] == [
        (True, "scram-sha-512")
    ]
    pools = of_kind(manifests, "KafkaNodePool")
    assert {(*each["spec"]["roles"], each["spec"]["replicas"]) for each in pools} == {
        ("controller", 3),
        ("broker", 3),
    }


@pytest.mark.parametrize("name", ["everything", "client-certificates", "plaintext"])
def test_scaling_is_bounded_and_slow(name: str) -> None:
    """At least one, at most the partitions; one fewer in ten minutes, after half an hour."""
    manifests = render(name)
    partitions = int(_variable(manifests, "ingest", "PURPOSEWATCH_TOPIC_PARTITIONS"))
    prefix = _variable(manifests, "ingest", "PURPOSEWATCH_TOPIC_PREFIX")
    scaled = of_kind(manifests, "ScaledObject")
    assert scaled
    for each in scaled:
        spec, target = each["spec"], each["spec"]["scaleTargetRef"]["name"]
        assert 1 <= spec["minReplicaCount"] <= spec["maxReplicaCount"] <= partitions
        assert "idleReplicaCount" not in spec
        assert spec["fallback"]["replicas"] >= 1
        down = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"]
        assert down["stabilizationWindowSeconds"] == 1800
        assert down["policies"] == [{"type": "Pods", "value": 1, "periodSeconds": 600}]
        # otherwise each `helm upgrade` would set the number back
        assert "replicas" not in named(manifests, "Deployment", target)["spec"]

        component = each["metadata"]["labels"]["app.kubernetes.io/component"]
        lag = spec["triggers"][0]["metadata"]
        assert lag["topic"] == f"{prefix}.{ {'ingest': RAW, 'auditor': EVENTS}[component] }"
        assert lag["consumerGroup"] == f"{prefix}.{component}"
        assert lag["allowIdleConsumers"] == lag["scaleToZeroOnInvalidOffset"] == "false"


def test_the_lag_is_asked_for_with_the_user_of_the_service() -> None:
    """It may describe its topic and its group, and needs no further rights."""
    manifests = render("everything")
    for name in ("purposewatch-ingest", "purposewatch-auditor"):
        trigger = named(manifests, "ScaledObject", name)["spec"]["triggers"][0]
        assert trigger["authenticationRef"] == {"name": name}
        assert (trigger["metadata"]["sasl"], trigger["metadata"]["tls"]) == (
            "scram_sha512",
            "enable",
        )
        spec = named(manifests, "TriggerAuthentication", name)["spec"]
        assert {each["parameter"] for each in spec["secretTargetRef"]} == {"password", "ca"}
        assert [each["parameter"] for each in spec["env"]] == ["username"]
    assert of_kind(render("plaintext"), "TriggerAuthentication") == []


def _variable(manifests: tuple[Manifest, ...], service: str, name: str) -> str:
    [container] = pods(manifests)[service]["spec"]["containers"]
    [found] = [each["value"] for each in container["env"] if each["name"] == name]
    return str(found)


def test_each_service_has_an_account_and_so_a_user_of_its_own() -> None:
    """Kafka takes the user from the token, which the kubelet renews; it is for Kafka alone."""
    found = pods(render("tokens"))
    accounts = {found[each]["spec"]["serviceAccountName"] for each in SERVICES}
    assert accounts == {f"purposewatch-{each}" for each in SERVICES}
    for service in SERVICES:
        [volume] = [
            each for each in found[service]["spec"]["volumes"] if each["name"] == "kafka-token"
        ]
        assert volume["projected"]["sources"] == [
            {
                "serviceAccountToken": {
                    "audience": "kafka.example",
                    "expirationSeconds": 3600,
                    "path": "token",
                }
            }
        ]


def test_services_and_keda_ask_the_same_token_endpoint() -> None:
    """With the client of the service; without passwords in Kafka."""
    manifests = render(
        "minimal",
        *("--set", "kafka.saslMechanism=OAUTHBEARER,auditor.autoscaling.enabled=true"),
        *("--set", "kafka.oauth.tokenUrl=https://sign-in.example/token,kafka.oauth.scope=kafka"),
    )
    variables = environment(pods(manifests)["auditor"])
    assert variables["PURPOSEWATCH_KAFKA_OAUTH_TOKEN_URL"] == "https://sign-in.example/token"
    assert variables["PURPOSEWATCH_KAFKA_OAUTH_CLIENT_ID"] == "purposewatch-auditor"
    secret = variables["PURPOSEWATCH_KAFKA_OAUTH_CLIENT_SECRET"]["secretKeyRef"]
    assert secret == {"name": "kafka-auditor", "key": "password"}
    assert "PURPOSEWATCH_KAFKA_SASL_PASSWORD" not in variables
    spec = named(manifests, "TriggerAuthentication", "purposewatch-auditor")["spec"]
    assert {each["parameter"]: each["name"] for each in spec["env"]} == {
        "username": "PURPOSEWATCH_KAFKA_OAUTH_CLIENT_ID",
        "oauthTokenEndpointUri": "PURPOSEWATCH_KAFKA_OAUTH_TOKEN_URL",
        "scopes": "PURPOSEWATCH_KAFKA_OAUTH_SCOPE",
    }
    trigger = named(manifests, "ScaledObject", "purposewatch-auditor")["spec"]["triggers"][0]
    assert trigger["metadata"]["sasl"] == "oauthbearer"
    egress = named(manifests, "NetworkPolicy", "purposewatch-auditor")["spec"]["egress"]
    assert {port["port"] for rule in egress for port in rule["ports"]} == {53, 443, 9093}

"""A real Kubernetes API server accepts every manifest: strictly, with the standard `restricted`."""

import json
from collections.abc import Iterator

import pytest

from tests.chart.api_server import ApiServer, running
from tests.chart.render import CHART, EXAMPLES, VALUES, Manifest, helm, of_kind, pods, render


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """The server, for all tests."""
    with running(tmp_path_factory.mktemp("api")) as server:
        yield server


def _moved(name: str) -> list[Manifest]:
    """The manifests of an example, in namespaces of its own."""
    manifests: list[Manifest] = json.loads(json.dumps(render(name)))
    for each in manifests:
        each["metadata"]["namespace"] += f"-{name}"
    return manifests


def _pod(template: Manifest, namespace: str, name: str) -> Manifest:
    metadata = {**template["metadata"], "name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_manifest_is_accepted_without_a_warning(api: ApiServer, name: str) -> None:
    """Those of operators as well; and then the pods, which admission looks at one by one."""
    manifests = _moved(name)
    for namespace in {each["metadata"]["namespace"] for each in manifests}:
        api.make_namespace(namespace)
    for manifest in manifests:
        response = api.apply(manifest)
        assert response.is_success, f"{manifest['kind']}: {response.text}"
        assert response.headers.get_list("warning") == []
    for component, template in pods(render(name)).items():
        response = api.create(_pod(template, f"privacy-{name}", component))
        assert response.is_success, response.text
        assert response.headers.get_list("warning") == []


def test_admission_is_on(api: ApiServer) -> None:
    """A pod that may run as root is refused, and so is a field that nobody knows."""
    api.make_namespace("strict")
    [account] = [
        each
        for each in json.loads(json.dumps(of_kind(render("minimal"), "ServiceAccount")))
        if each["metadata"]["name"] == "purposewatch-auditor"
    ]
    account["metadata"]["namespace"] = "strict"
    assert api.apply(account).is_success
    template = json.loads(json.dumps(pods(render("minimal"))["auditor"]))
    del template["spec"]["securityContext"]["seccompProfile"]
    refused = api.create(_pod(template, "strict", "auditor"))
    assert refused.status_code == 403
    assert 'violates PodSecurity "restricted:latest": seccompProfile' in refused.json()["message"]

    [kafka] = [each for each in _moved("everything") if each["kind"] == "Kafka"]
    kafka["metadata"]["namespace"] = "strict"
    kafka["spec"]["kafka"]["listener"] = []
    refused = api.apply(kafka)
    assert refused.status_code >= 400
    assert "listener" in refused.json()["message"]


def test_helm_installs_and_upgrades(api: ApiServer) -> None:
    """Twice the same release, without the hooks, whose Job nobody would run here."""
    api.make_namespace("release")
    for _ in range(2):
        done = helm(
            *("upgrade", "--install", "purposewatch", str(CHART), "--namespace", "release"),
            *("--kubeconfig", str(api.kubeconfig), "--no-hooks"),
            *("--values", str(VALUES / "everything.yaml")),
        )
        assert done.returncode == 0, done.stderr
    found = api.client.get("/apis/apps/v1/namespaces/release/deployments").json()["items"]
    assert {each["metadata"]["name"] for each in found} == {
        "purposewatch-auditor",
        "purposewatch-ingest",
        "purposewatch-reporter",
    }

"""A Kubernetes API server with etcd, and nothing behind it: no node, no controller, no operator."""

import contextlib
import json
import ssl
import subprocess
import time
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import httpx
import yaml
from cryptography import x509

from tests.chart.render import TOOLS, Manifest, tool
from tests.harness.certificates import Authority
from tests.harness.ports import take_port

_START_SECONDS = 120
_TOKEN = "a-token-of-an-administrator"


class ApiServer:
    """A running server, in which the resources of the operators are defined."""

    def __init__(self, client: httpx.Client, kubeconfig: Path) -> None:
        self.client = client
        self.kubeconfig = kubeconfig
        self._resources: dict[tuple[str, str], tuple[str, bool]] = {}

    def apply(self, manifest: Manifest) -> httpx.Response:
        """Apply it as `kubectl apply --server-side --validate=strict` does."""
        name = manifest["metadata"]["name"]
        return self.client.patch(
            f"{self._path(manifest)}/{name}",
            params={"fieldManager": "tests", "fieldValidation": "Strict", "force": "true"},
            headers={"Content-Type": "application/apply-patch+yaml"},
            content=json.dumps(manifest),
        )

    def create(self, manifest: Manifest) -> httpx.Response:
        """Create it, strictly as well."""
        return self.client.post(
            self._path(manifest), params={"fieldValidation": "Strict"}, json=manifest
        )

    def make_namespace(self, name: str) -> None:
        """A namespace where only pods of the standard `restricted` may run."""
        label = "pod-security.kubernetes.io"
        labels = {f"{label}/{mode}": "restricted" for mode in ("enforce", "warn")}
        manifest = {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "labels": labels},
        }
        self.apply(manifest).raise_for_status()

    def define(self, definition: Manifest) -> None:
        """Define a resource of an operator, and wait until it is served."""
        response = self.apply(definition)
        assert response.is_success, response.text
        group, kind = definition["spec"]["group"], definition["spec"]["names"]["kind"]
        for version in definition["spec"]["versions"]:
            _until(lambda v=version: self._is_served(f"{group}/{v['name']}", kind))

    def _is_served(self, version: str, kind: str) -> bool:
        with contextlib.suppress(httpx.HTTPStatusError, KeyError):
            self._find(version, kind)
            return True
        return False

    def _path(self, manifest: Manifest) -> str:
        plural, namespaced = self._find(manifest["apiVersion"], manifest["kind"])
        where = f"/namespaces/{manifest['metadata']['namespace']}" if namespaced else ""
        return f"{_root(manifest['apiVersion'])}{where}/{plural}"

    def _find(self, version: str, kind: str) -> tuple[str, bool]:
        if (version, kind) not in self._resources:
            response = self.client.get(_root(version)).raise_for_status()
            self._resources |= {
                (version, each["kind"]): (each["name"], each["namespaced"])
                for each in response.json()["resources"]
                if "/" not in each["name"]
            }
        return self._resources[version, kind]


def _root(version: str) -> str:
    return f"/apis/{version}" if "/" in version else f"/api/{version}"


@contextlib.contextmanager
def running(directory: Path) -> Iterator[ApiServer]:
    """Start etcd and the API server with its default admission, and define the resources."""
    etcd, server = tool("etcd"), tool("kube-apiserver")
    authority = Authority(directory)
    names = (x509.DNSName("localhost"), x509.IPAddress(IPv4Address("127.0.0.1")))
    certificate, signing = authority.issue("server", *names), authority.issue("service-accounts")
    tokens = directory / "tokens.csv"
    tokens.write_text(f'{_TOKEN},admin,1,"system:masters"\n', encoding="utf-8")
    etcd_port, peer_port, port = take_port(), take_port(), take_port()
    here = "http://127.0.0.1"
    with contextlib.ExitStack() as started:
        started.enter_context(
            _process(
                directory / "etcd.log",
                *(etcd, "--data-dir", str(directory / "etcd"), "--unsafe-no-fsync"),
                *("--listen-client-urls", f"{here}:{etcd_port}"),
                *("--advertise-client-urls", f"{here}:{etcd_port}"),
                *("--listen-peer-urls", f"{here}:{peer_port}"),
            )
        )
        started.enter_context(
            _process(
                directory / "kube-apiserver.log",
                *(server, "--etcd-servers", f"{here}:{etcd_port}"),
                *("--bind-address", "127.0.0.1", "--secure-port", str(port)),
                *("--tls-cert-file", str(certificate), "--tls-private-key-file", str(certificate)),
                *("--token-auth-file", str(tokens), "--authorization-mode", "RBAC"),
                *("--service-account-issuer", "https://kubernetes.default.svc"),
                *("--service-account-key-file", str(signing)),
                *("--service-account-signing-key-file", str(signing)),
                *("--service-cluster-ip-range", "10.96.0.0/16"),
            )
        )
        client = started.enter_context(
            httpx.Client(
                base_url=f"https://127.0.0.1:{port}",
                headers={"Authorization": f"Bearer {_TOKEN}"},
                verify=ssl.create_default_context(cafile=authority.cafile),
                timeout=60,
            )
        )
        _until(lambda: _is_ready(client))
        kubeconfig = _kubeconfig(directory, str(client.base_url), authority.cafile)
        api = ApiServer(client, kubeconfig)
        for path in sorted((TOOLS / "crds").glob("*.yaml")):
            api.define(yaml.safe_load(path.read_text(encoding="utf-8")))
        yield api


def _is_ready(client: httpx.Client) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return client.get("/readyz").is_success
    return False


def _until(holds: Any) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "the API server is not ready"
        time.sleep(0.2)


@contextlib.contextmanager
def _process(log: Path, *command: str) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=log.parent)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _kubeconfig(directory: Path, address: str, cafile: Path) -> Path:
    path = directory / "kubeconfig"
    path.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "tests",
                "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "tests"}}],
                "users": [{"name": "tests", "user": {"token": _TOKEN}}],
                "clusters": [
                    {
                        "name": "tests",
                        "cluster": {"server": address, "certificate-authority": str(cafile)},
                    }
                ],
            }
        ),
        encoding="utf-8",
    )
    return path

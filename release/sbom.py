"""Write the software bill of materials of every distribution: `python -m release.sbom DIRECTORY`.

`--validate` also checks them with the schema of CycloneDX; that needs `requirements/audit.txt`.

CycloneDX 1.6 in JSON, one file each for the policy library, the Python client, and what is in the
image of each service, the connectors and the command. What is listed is what `requirements/*.txt`
pins, with the hashes of the files that may be installed; licences and dependencies are those of the
same versions in this environment (`make install-dev`). The files hold no time and no host: the same
sources give the same bytes. An image's base is listed as one component, by its digest.
"""

import json
import re
import sys
import tomllib
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from requirements.lock import ROOT, SETS

_LICENCE = "Apache-2.0"
_PINNED = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)", re.MULTILINE)
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_BASE = re.compile(r"^FROM (\S+?):(\S+)@sha256:([0-9a-f]{64}) AS pinned$", re.MULTILINE)
_NAMESPACE = uuid.UUID("0b1f6f0e-6d0c-5a54-9a3e-0f3c7f1f7f56")
"""Of the serial numbers, which depend on the content alone."""

Json = dict[str, Any]


@dataclass(frozen=True)
class Product:
    """Something that is delivered."""

    name: str
    directories: tuple[str, ...]
    """The distributions in it; the last one is what it is named after."""
    pinned: str | None
    """The name of its requirement file."""
    dockerfile: str | None = None

    @property
    def file_name(self) -> str:
        """Of its bill of materials."""
        return f"{self.name}.cdx.json"


PRODUCTS = (
    Product("purposewatch-policy", ("shared/policy",), "policy"),
    Product("purposewatch-client", ("clients/python",), None),
    *(
        Product(name, tuple(each.partition("[")[0] for each in SETS[pinned]), pinned, dockerfile)
        for name, pinned, dockerfile in (
            ("purposewatch-ingest", "ingest", "services/ingest/Dockerfile"),
            ("purposewatch-auditor", "auditor", "services/auditor/Dockerfile"),
            ("purposewatch-reporter", "reporter", "services/reporter/Dockerfile"),
            ("purposewatch-connect", "connectors", "connectors/Dockerfile"),
            ("purposewatch", "cli", "cli/Dockerfile"),
        )
    ),
)


def bill_of(product: Product) -> Json:
    """The bill of materials of one product."""
    version = (ROOT / "VERSION").read_text(encoding="utf-8").strip()
    ours = {_project(each)["name"]: _direct(each) for each in product.directories}
    pinned = _pinned(product.pinned)
    graph = {name: _needs(name, pins[0]) & pinned.keys() for name, pins in pinned.items()}
    delivered = _reachable(set().union(*ours.values()) & pinned.keys(), graph)
    root = f"{product.name}@{version}"
    base = _base_image(product)
    components = [
        *(_our_component(name, version) for name in sorted(ours)),
        *(_component(name, *pins, delivered=name in delivered) for name, pins in pinned.items()),
        *base,
    ]
    content: Json = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "container" if product.dockerfile else "library",
                "bom-ref": root,
                "name": product.name,
                "version": version,
                "licenses": [{"expression": _LICENCE}],
            }
        },
        "components": components,
        "dependencies": [
            _edges(root, [*(_purl(name, version) for name in ours), *(c["bom-ref"] for c in base)]),
            *(
                _edges(_purl(name, version), (_purl(each, pinned[each][0]) for each in needs))
                for name, needs in sorted(
                    (name, needs & pinned.keys()) for name, needs in ours.items()
                )
            ),
            *(
                _edges(
                    _purl(name, pinned[name][0]),
                    (_purl(each, pinned[each][0]) for each in needs),
                )
                for name, needs in sorted(graph.items())
            ),
        ],
    }
    serial = uuid.uuid5(_NAMESPACE, json.dumps(content, sort_keys=True))
    return {**content, "serialNumber": f"urn:uuid:{serial}"}


def _project(directory: str) -> Json:
    with (ROOT / directory / "pyproject.toml").open("rb") as file:
        project: Json = tomllib.load(file)["project"]
    return project


def _direct(directory: str) -> set[str]:
    """The third parties' distributions that one of ours declares, whatever the extra."""
    project = _project(directory)
    lists = [project.get("dependencies", []), *project.get("optional-dependencies", {}).values()]
    return {canonicalize_name(Requirement(line).name) for group in lists for line in group}


def _pinned(name: str | None) -> dict[str, tuple[str, list[str]]]:
    """Version and hashes of each distribution that a requirement file pins."""
    if name is None:
        return {}
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    found = list(_PINNED.finditer(text))
    ends = [match.start() for match in found[1:]] + [len(text)]
    return {
        canonicalize_name(match[1]): (match[2], _HASH.findall(text, match.end(), end))
        for match, end in zip(found, ends, strict=True)
    }


def _needs(name: str, version: str) -> set[str]:
    """What a third party's distribution needs; too much where that depends on an extra."""
    lines = _metadata(name, version).get_all("Requires-Dist") or []
    return {canonicalize_name(Requirement(line).name) for line in lines}


def _metadata(name: str, version: str) -> Any:
    """What the installed distribution says. Raises `LookupError` if it is another version."""
    try:
        found = distribution(name)
    except PackageNotFoundError:
        message = f"`{name}` is not installed; run `make install-dev`"
        raise LookupError(message) from None
    if found.version != version:
        message = f"`{name}` is installed in version {found.version}, and pinned in {version}"
        raise LookupError(message)
    return found.metadata


def _reachable(names: set[str], graph: Mapping[str, set[str]]) -> set[str]:
    """What is delivered; the rest is only there to build."""
    reached: set[str] = set()
    while names:
        reached |= names
        names = set().union(*(graph[name] for name in names)) - reached
    return reached


def _purl(name: str, version: str) -> str:
    return f"pkg:pypi/{name}@{version}"


def _our_component(name: str, version: str) -> Json:
    return {
        "type": "library",
        "bom-ref": _purl(name, version),
        "name": name,
        "version": version,
        "licenses": [{"expression": _LICENCE}],
        "purl": _purl(name, version),
    }


def _component(name: str, version: str, hashes: Iterable[str], *, delivered: bool) -> Json:
    return {
        "type": "library",
        "bom-ref": _purl(name, version),
        "name": name,
        "version": version,
        "scope": "required" if delivered else "excluded",
        "hashes": [{"alg": "SHA-256", "content": each} for each in sorted(hashes)],
        "licenses": _licences(name, version),
        "purl": _purl(name, version),
    }


def _licences(name: str, version: str) -> list[Json]:
    """As the distribution states them: an SPDX expression, or names in its own words."""
    metadata = _metadata(name, version)
    if expression := metadata.get("License-Expression"):
        return [{"expression": expression}]
    prefix = "License :: "
    classified = [
        line.rpartition(" :: ")[2]
        for line in metadata.get_all("Classifier") or []
        if line.startswith(prefix) and line != "License :: OSI Approved"
    ]
    stated = (metadata.get("License") or "").strip().split("\n")[0][:100]
    return [{"license": {"name": each}} for each in classified or [stated] if each]


def _base_image(product: Product) -> list[Json]:
    """The image that a product's image is made from."""
    if product.dockerfile is None:
        return []
    text = (ROOT / product.dockerfile).read_text(encoding="utf-8")
    [(name, tag, digest)] = _BASE.findall(text)
    return [
        {
            "type": "container",
            "bom-ref": f"pkg:oci/{name}@sha256:{digest}",
            "name": name,
            "version": tag,
            "hashes": [{"alg": "SHA-256", "content": digest}],
            "purl": f"pkg:oci/{name}@sha256%3A{digest}?tag={tag}",
        }
    ]


def _edges(ref: str, needs: Iterable[str]) -> Json:
    return {"ref": ref, "dependsOn": sorted(needs)}


def validate(text: str) -> None:
    """Raise `ValueError` unless CycloneDX's schema accepts the text."""
    from cyclonedx.schema import SchemaVersion  # noqa: PLC0415 - installed for `make sbom` alone
    from cyclonedx.validation.json import JsonStrictValidator  # noqa: PLC0415 - likewise

    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if error is not None:
        raise ValueError(str(error))


def main(arguments: list[str]) -> int:
    """Write every bill of materials into a directory."""
    [directory] = [Path(each) for each in arguments if each != "--validate"]
    directory.mkdir(parents=True, exist_ok=True)
    for product in PRODUCTS:
        text = json.dumps(bill_of(product), indent=1, sort_keys=True)
        if "--validate" in arguments:
            validate(text)
        (directory / product.file_name).write_text(f"{text}\n", encoding="utf-8")
    sys.stdout.write(f"{len(PRODUCTS)} bills of materials in {directory}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

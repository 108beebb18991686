"""The bills of materials list what is delivered, and nothing is delivered that they do not list."""

import json
import re
from functools import cache

import pytest

from release.cut import distributions
from release.sbom import PRODUCTS, Json, Product, bill_of
from requirements.lock import BUILD, ROOT

bill = cache(bill_of)
by_product = pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product.name)


def pins(product: Product) -> dict[str, str]:
    """Versions by name, as the requirement file has them."""
    if product.pinned is None:
        return {}
    text = (ROOT / "requirements" / f"{product.pinned}.txt").read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", text, re.MULTILINE))


def third_party(listed: Json) -> dict[str, Json]:
    """The components of others, by name."""
    return {
        each["name"]: each
        for each in listed["components"]
        if each["purl"].startswith("pkg:pypi/") and not each["name"].startswith("purposewatch")
    }


@by_product
def test_every_pinned_distribution_is_listed(product: Product) -> None:
    """With its version, the hashes of its files, and a licence."""
    listed = third_party(bill(product))
    assert {name: each["version"] for name, each in listed.items()} == pins(product)
    for each in listed.values():
        assert each["hashes"]
        assert each["licenses"], each["name"]


@by_product
def test_what_only_builds_is_not_delivered(product: Product) -> None:
    """The Dockerfiles remove just that."""
    left_out = {
        name for name, each in third_party(bill(product)).items() if each["scope"] == "excluded"
    }
    if product.dockerfile is not None:
        text = (ROOT / product.dockerfile).read_text(encoding="utf-8")
        removed = re.search(r"pip uninstall --yes --quiet ([^\\\n]+)", text)
        assert removed is not None
        assert left_out == set(removed[1].split()) >= set(BUILD)
    else:
        assert not left_out


@by_product
def test_the_graph_is_closed(product: Product) -> None:
    """Every reference is to a component, and every component has its dependencies listed."""
    made = bill(product)
    refs = [each["bom-ref"] for each in made["components"]]
    refs.append(made["metadata"]["component"]["bom-ref"])
    assert len(refs) == len(set(refs))
    needed = {ref for each in made["dependencies"] for ref in each["dependsOn"]}
    described = {each["ref"] for each in made["dependencies"]}
    assert needed | described <= set(refs)
    assert {each["bom-ref"] for each in third_party(made).values()} <= described


@by_product
def test_the_same_sources_give_the_same_bytes(product: Product) -> None:
    """No time, no path and no host is in them."""
    text = json.dumps(bill_of(product))
    assert text == json.dumps(bill(product))
    assert "http" not in re.sub(
        r'"(name|bom-ref|ref|purl)": "[^"]*"', "", text.split('"depends')[0]
    )
    assert str(ROOT) not in text


def test_every_distribution_is_in_a_bill() -> None:
    """A new one has to be added; the demo is in the command's image."""
    named = {each for product in PRODUCTS for each in product.directories}
    assert named == {str(path.parent.relative_to(ROOT)) for path in distributions()}

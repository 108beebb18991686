"""Vocabulary files: the common terms, and each controller's own on top of them."""

from pathlib import Path

import pytest

from purposewatch_policy.vocabulary import load_vocabularies
from purposewatch_policy.yaml_reader.source import InvalidSourceError

COMMON = """\
purposes:
  service: {label: {en: Service}, iri: "https://w3id.org/dpv#ServiceProvision"}
  service.support:
data_categories:
  user:
  user.health: {sensitive: true}
"""


def write(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return root


def faults(root: Path) -> list[str]:
    with pytest.raises(InvalidSourceError) as refused:
        load_vocabularies(root)
    return str(refused.value).replace(f"{root}/", "").splitlines()


def test_own_terms_extend_the_common_ones(tmp_path: Path) -> None:
    """A controller has the common terms and its own, and no other controller has these."""
    root = write(
        tmp_path,
        {
            "vocabulary/common.yaml": COMMON,
            "acme/vocabulary.yaml": "purposes:\n  service.loans: {label: {en: Loans}}\n",
            "acme/policy.1.yaml": "",
            "zeta/policy.yaml": "",
        },
    )
    vocabularies = load_vocabularies(root)
    assert list(vocabularies) == ["acme", "zeta"]
    assert list(vocabularies["acme"].purposes) == ["service", "service.support", "service.loans"]
    assert list(vocabularies["zeta"].purposes) == ["service", "service.support"]
    assert vocabularies["acme"].purposes.covers("service", "service.loans")
    assert vocabularies["acme"].data_categories.is_sensitive("user.health")
    service = vocabularies["acme"].purposes["service"]
    assert (
        service.iri,
        service.label,
    ) == ("https://w3id.org/dpv#ServiceProvision", {"en": "Service"})


def test_synonyms_and_descriptions_are_read(tmp_path: Path) -> None:
    """They are read by language, and the digest of a policy does not depend on them."""
    term = "purposes: {service: {synonyms: {en: [help, aid]}, description: {en: For all}}}"
    described = write(tmp_path / "a", {"acme/vocabulary.yaml": term, "acme/policy.1.yaml": ""})
    plain = write(
        tmp_path / "b", {"acme/vocabulary.yaml": "purposes: {service: }", "acme/policy.1.yaml": ""}
    )
    vocabulary = load_vocabularies(described)["acme"]
    entry = vocabulary.purposes["service"]
    assert (entry.synonyms, entry.description) == ({"en": ("help", "aid")}, {"en": "For all"})
    assert vocabulary.canonical() == load_vocabularies(plain)["acme"].canonical()


def test_common_terms_may_be_spread_over_files(tmp_path: Path) -> None:
    """A term in one common file can have a parent in another."""
    root = write(
        tmp_path,
        {
            "vocabulary/a.yaml": "purposes:\n  service.support:\n",
            "vocabulary/b.yaml": "purposes:\n  service:\n",
            "acme/policy.yaml": "",
        },
    )
    assert load_vocabularies(root)["acme"].purposes.covers("service", "service.support")


def test_the_controller_itself_is_always_a_recipient(tmp_path: Path) -> None:
    """`first_party` exists even if no file declares it."""
    root = write(tmp_path, {"acme/policy.yaml": ""})
    assert list(load_vocabularies(root)["acme"].recipients) == ["first_party"]


def test_facts_are_flat(tmp_path: Path) -> None:
    """A dot in a fact's name gives it no parent."""
    root = write(
        tmp_path, {"acme/policy.yaml": "", "acme/vocabulary.yaml": "facts:\n  consent.marketing:\n"}
    )
    facts = load_vocabularies(root)["acme"].facts
    assert facts.lineage("consent.marketing") == ("consent.marketing",)


def test_faults_of_all_files_are_collected(tmp_path: Path) -> None:
    """One run shows the faults of the common files once, and those of every controller."""
    root = write(
        tmp_path,
        {
            "vocabulary/common.yaml": COMMON + "recipients:\n  third_party.ads:\n",
            "acme/policy.yaml": "",
            "acme/vocabulary.yaml": "purposes:\n  service:\n",
            "zeta/policy.yaml": "",
            "zeta/vocabulary.yaml": "roles:\n  Member:\n",
        },
    )
    assert faults(root) == [
        (
            "acme/vocabulary.yaml:2: the purpose `service` is already declared at "
            "vocabulary/common.yaml:2; keep one"
        ),
        (
            "vocabulary/common.yaml:8: the recipient `third_party.ads` has the parent "
            "`third_party`, which is not declared; declare it"
        ),
        "zeta/vocabulary.yaml:2: `Member` is not a term; write lower-case words joined by dots",
    ]


def test_files_that_nothing_reads_are_faults(tmp_path: Path) -> None:
    """A misnamed policy file is a fault: it would never be in force."""
    root = write(tmp_path, {"acme/policy.yaml": "", "acme/polices.yaml": "", "acme/notes.md": ""})
    assert faults(root) == [
        "acme/polices.yaml: is never read; name a policy file `policy.<version>.yaml`"
    ]


def test_directories_without_policies_are_no_controllers(tmp_path: Path) -> None:
    """Hidden directories and directories without YAML are ignored."""
    root = write(tmp_path, {"acme/policy.yaml": "", ".git/x.yaml": "", "notes/read.md": ""})
    assert list(load_vocabularies(root)) == ["acme"]


def test_overlong_term_is_refused(tmp_path: Path) -> None:
    """A term is no longer than an event may state."""
    term = "a" * 129
    root = write(tmp_path, {"acme/policy.yaml": "", "acme/vocabulary.yaml": f"roles:\n  {term}:\n"})
    assert [
        f"acme/vocabulary.yaml:2: `{term}` is not a term; write lower-case words joined by dots"
    ] == faults(root)

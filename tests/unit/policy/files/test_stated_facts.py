"""Statements of facts from a file count instead of what events claim."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from purposewatch_policy import InvalidSourceError, PolicySet
from purposewatch_policy.files import StatedFacts, load_policies, load_stated_facts

SOUND = Path(__file__).parents[1] / "sound"

STATEMENTS = (
    {"value": True, "effective_from": "2026-03-01T00:00:00+08:00"},
    {"value": False, "effective_from": "2026-03-05T00:00:00Z"},
    {"value": True, "effective_from": "2026-03-08T00:00:00Z", "until": "2026-03-09T00:00:00Z"},
)


@pytest.fixture
def policies(tmp_path: Path) -> PolicySet:
    """A policy with a fact that a ledger answers for, and one that publishers state."""
    tree = Path(shutil.copytree(SOUND, tmp_path / "policies"))
    (tree / "acme" / "vocabulary.yaml").write_text(
        "facts:\n"
        "  consent.marketing:\n"
        "    authority: ledger\n"
        "    stated_by: {en: The consent platform states it.}\n"
        "  visit.website:\n",
        encoding="utf-8",
    )
    return load_policies(tree)


def load(tmp_path: Path, policies: PolicySet, name: str, text: str) -> StatedFacts:
    """The statements of a file with this text."""
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return load_stated_facts(path, policies)


def values(stated: StatedFacts) -> list[bool | None]:
    """What counts about `m-1` on some days of March."""
    days = [datetime(2026, 3, day, 12, tzinfo=UTC) for day in (4, 5, 8, 10)]
    before = datetime(2026, 2, 28, 15, 59, 59, tzinfo=UTC)
    found = [stated.at("acme", "m-1", at) for at in (before, *days)]
    return [each.get("consent.marketing") for each in found]


def as_yaml() -> str:
    """The statements as a person writes them."""
    lines = ["facts:"]
    for each in STATEMENTS:
        fields = ", ".join(f"{name}: {json.dumps(value)}" for name, value in each.items())
        lines.append(
            f"  - {{controller: acme, subject_id: m-1, fact: consent.marketing, {fields}}}"
        )
    return "\n".join(lines)


def as_data() -> str:
    """The statements as the data of messages, one on each line."""
    common = {"controller": "acme", "subject_id": "m-1", "fact": "consent.marketing"}
    return "\n".join(json.dumps(common | each) for each in STATEMENTS)


def as_messages() -> str:
    """The statements as whole messages, the last first."""
    return "\n".join(
        json.dumps(
            {
                "specversion": "1.0",
                "id": f"s-{number}",
                "source": "/consent-platform",
                "type": "purposewatch.fact.v1",
                "time": "2026-03-20T00:00:00Z",
                "data": {
                    "controller": "acme",
                    "subject": "m-1",
                    "fact": "consent.marketing",
                    "evidence": "receipt/1",
                    **each,
                },
            }
        )
        for number, each in enumerate(reversed(STATEMENTS))
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [("facts.yaml", as_yaml()), ("facts.jsonl", as_data()), ("facts.jsonl", as_messages())],
    ids=["yaml", "data", "messages"],
)
def test_value_in_force_at_the_time_counts(
    tmp_path: Path, policies: PolicySet, name: str, text: str
) -> None:
    """However the statements are written, and in whatever order."""
    stated = load(tmp_path, policies, name, text)

    assert stated.number == 3
    assert values(stated) == [None, True, False, True, None]
    assert stated.at("acme", "m-2", datetime(2026, 3, 4, tzinfo=UTC)) == {}


def test_statement_without_effective_time_is_effective_when_it_is_stated(
    tmp_path: Path, policies: PolicySet
) -> None:
    """As ingest has it."""
    data = '"data": {"controller": "acme", "subject_id": "m-1", "fact": "consent.marketing", '
    text = (
        '{"id": "s-1", "source": "/c", "type": "purposewatch.fact.v1", '
        f'"time": "2026-03-05T00:00:00Z", {data}"value": true}}}}'
    )
    assert values(load(tmp_path, policies, "facts.jsonl", text))[:3] == [None, None, True]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fact": "consent.marketting"}, "is not a fact of `acme`; did you mean"),
        ({"fact": "visit.website"}, "its authority is the publisher; remove the statement"),
        ({"controller": "acne"}, "there is no policy of `acne`; did you mean `acme`?"),
        ({"value": 1}, "`value`: "),
        ({"value": "true"}, "`value`: "),
        ({"until": "2026-02-01T00:00:00Z"}, "`until` is not after `effective_from`"),
        ({"effective_from": "2026-03-01T00:00:00"}, "`effective_from`: "),
        ({"effective_from": None}, "`effective_from`: "),
        ({"subject_id": ""}, "`subject`: "),
        ({"note": "x"}, "`note`: "),
    ],
    ids=str,
)
def test_fault_is_reported_with_its_line(
    tmp_path: Path, policies: PolicySet, changes: dict[str, object], message: str
) -> None:
    """A statement that could never count is not passed over."""
    good = json.loads(as_data().splitlines()[0])
    text = f"\n{json.dumps(good)}\n{json.dumps(good | changes)}\n"

    with pytest.raises(InvalidSourceError) as error:
        load(tmp_path, policies, "facts.jsonl", text)
    assert str(error.value.errors[0]).startswith(f"{tmp_path}/facts.jsonl:3: ")
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("facts.yaml", "- a\n", "the file must be a mapping of fields"),
        ("facts.yaml", "facts:\n  - a\n", "facts.yaml:2: a statement must be an object"),
        ("facts.jsonl", "[]\n", "facts.jsonl:1: a statement must be an object"),
        ("facts.jsonl", "{\n", "facts.jsonl:1: is not valid JSON"),
        ("facts.jsonl", '{"data": {}, "type": "purposewatch.data_access.v1"}', "`type`: "),
    ],
)
def test_file_that_holds_no_statements_is_refused(
    tmp_path: Path, policies: PolicySet, name: str, text: str, message: str
) -> None:
    """Nothing of it counts then."""
    with pytest.raises(InvalidSourceError, match=message.replace("(", r"\(")):
        load(tmp_path, policies, name, text)


def test_file_that_cannot_be_read_is_refused(tmp_path: Path, policies: PolicySet) -> None:
    """Whether it is missing or of another encoding."""
    with pytest.raises(InvalidSourceError, match="cannot be read"):
        load_stated_facts(tmp_path / "nowhere.jsonl", policies)
    (tmp_path / "facts.jsonl").write_bytes(b"\xff\n")
    with pytest.raises(InvalidSourceError, match="is not UTF-8"):
        load_stated_facts(tmp_path / "facts.jsonl", policies)

"""The assessment by OWASP's ASVS is complete, and what it points at is there."""

from collections import Counter

import pytest

from docs.asvs import PAGE, ROOT, STATES, Requirement, page, read

_LEVELS_1_AND_2 = Counter(
    {
        "V1": 27,
        "V2": 11,
        "V3": 19,
        "V4": 10,
        "V5": 9,
        "V6": 35,
        "V7": 18,
        "V8": 7,
        "V9": 7,
        "V10": 29,
        "V11": 14,
        "V12": 9,
        "V13": 13,
        "V14": 9,
        "V15": 13,
        "V16": 16,
        "V17": 7,
    }
)
"""How many requirements each chapter of ASVS 5.0.0 has for level 2."""
REQUIREMENTS = [each for requirements in read().values() for each in requirements]


def test_every_requirement_is_answered_once() -> None:
    """No number is left out, and none occurs twice."""
    numbers = [number for each in REQUIREMENTS for number in each.numbers]
    assert len(numbers) == len(set(numbers)) == 253
    assert Counter(f"V{number.partition('.')[0]}" for number in numbers) == _LEVELS_1_AND_2
    for chapter, requirements in read().items():
        begins = chapter.partition(" ")[0].removeprefix("V") + "."
        assert all(number.startswith(begins) for each in requirements for number in each.numbers)


@pytest.mark.parametrize("each", REQUIREMENTS, ids=lambda each: str(each.numbers[0]))
def test_evidence_is_there(each: Requirement) -> None:
    """What is met, in whole or in part, names a file that holds or tests it."""
    assert each.state in STATES
    assert each.how.endswith(".")
    assert each.where or each.state not in {"met", "partly"}
    assert [path for path in each.where if not (ROOT / path).exists()] == []


def test_the_page_is_fresh() -> None:
    """`make docs` writes it."""
    assert PAGE.read_text(encoding="utf-8") == page()

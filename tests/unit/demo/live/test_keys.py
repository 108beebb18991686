"""The keys of the traffic generator."""

import pytest

from purposewatch_demo.live.run import UnusableKeysError, read_keys


def test_reads_every_publishers_key() -> None:
    """Pairs stand with commas between them."""
    assert read_keys("crm:k1,risk:k2", ["crm"]) == {"crm": "k1", "risk": "k2"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "deploy/generate_secrets.py --traffic"),
        ("crm", "pairs"),
        ("crm:k1,,", "pairs"),
        ("crm:k1", "no key of `risk`"),
    ],
)
def test_says_what_to_do_about_unusable_keys(text: str, said: str) -> None:
    """The message helps and never quotes a key."""
    with pytest.raises(UnusableKeysError) as caught:
        read_keys(text, ["crm", "risk"])

    assert said in str(caught.value)
    assert "k1" not in str(caught.value)

"""The publishers' API keys that the generated traffic is sent with."""

from collections.abc import Collection

VARIABLE = "PURPOSEWATCH_TRAFFIC_API_KEYS"


class UnusableKeysError(Exception):
    """The keys can't be used; the message says why, and quotes none."""


def read_keys(text: str, publishers: Collection[str]) -> dict[str, str]:
    """Read `publisher:key` pairs with commas between them; raises `UnusableKeysError`."""
    if not text:
        message = f"{VARIABLE} is not set; `python3 deploy/generate_secrets.py --traffic` makes "
        message += "the keys and writes them into `deploy/secrets/traffic.env`"
        raise UnusableKeysError(message)
    pairs = [pair.partition(":") for pair in text.split(",")]
    if not all(publisher and key for publisher, _, key in pairs):
        message = f"{VARIABLE} is faulty; write `publisher:key` pairs with commas between them"
        raise UnusableKeysError(message)
    keys = {publisher.strip(): key.strip() for publisher, _, key in pairs}
    if missing := sorted(set(publishers).difference(keys)):
        message = f"{VARIABLE} has no key of `{'`, `'.join(missing)}`; add what is missing"
        raise UnusableKeysError(message)
    return keys

"""Reads keys from a file, and from text."""

import base64
import re
from pathlib import Path

from purposewatch_ingest.pseudonyms.keys import ALL_OTHERS, BEGINNING, KeyRing, SubjectKey
from purposewatch_policy import CONTROLLER_PATTERN, InvalidSourceError
from purposewatch_policy.yaml_reader import (
    Fields,
    MappingNode,
    SourceError,
    as_mapping,
    read_mapping,
)

MIN_KEY_BYTES = 32
KEY_ID_PATTERN = r"^[a-z0-9]{1,16}$"


def decode_key(text: str) -> bytes:
    """The bytes of a key in hex or base64; empty if it is neither."""
    text = text.strip()
    try:
        return bytes.fromhex(text)
    except ValueError:
        pass
    try:
        return base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except ValueError:  # also for characters beyond ASCII
        return b""


def load_key_ring(path: Path) -> KeyRing:
    """Read the file of keys. Raises `InvalidSourceError` with every fault; shows no key."""
    errors: list[SourceError] = []
    root = read_mapping(path, errors)
    keys: dict[str, list[SubjectKey]] = {}
    if root is not None:
        fields = Fields(root, ("keys",), "the file of keys", errors)
        by_controller = fields.mapping("keys", required=True)
        if by_controller is not None:
            keys = _read_controllers(by_controller, errors)
        if ALL_OTHERS not in keys:
            message = f"the keys of other controllers are missing; list them under `{ALL_OTHERS}`"
            errors.append(root.at.error(message))
    if errors:
        raise InvalidSourceError(errors)
    return KeyRing(keys)


def _read_controllers(node: MappingNode, errors: list[SourceError]) -> dict[str, list[SubjectKey]]:
    fields = Fields(node, tuple(node.entries), "the keys", errors)
    keys = {}
    for controller, at in node.key_at.items():
        if controller != ALL_OTHERS and not re.fullmatch(CONTROLLER_PATTERN, controller):
            errors.append(at.error("a name is not a controller's; write one such as `acme`"))
        listed = [
            _read_key(as_mapping(each, "a key", errors), errors)
            for each in fields.items(controller, required=True)
        ]
        keys[controller] = [key for key in listed if key is not None]
        if not listed:
            errors.append(at.error("a controller has no keys; list one at least"))
        if len({key.id for key in keys[controller]}) != len(keys[controller]):
            errors.append(at.error("two keys have the same `id`; give each its own"))
    return keys


def _read_key(node: MappingNode | None, errors: list[SourceError]) -> SubjectKey | None:
    if node is None:
        return None
    fields = Fields(node, ("id", "key", "from"), "a key", errors)
    key_id = fields.text("id", required=True)
    key = decode_key(fields.text("key", required=True))
    since = fields.timestamp("from") or BEGINNING
    if not re.fullmatch(KEY_ID_PATTERN, key_id):
        message = "the `id` of a key is not 1 to 16 lower-case letters or digits"
        fields.error(message, fields.location("id"))
        return None
    if len(key) < MIN_KEY_BYTES:
        message = (
            f"a key is not at least {MIN_KEY_BYTES} bytes in hex or base64; make one with "
            "`openssl rand -hex 32`"
        )
        fields.error(message, fields.location("key"))
        return None
    return SubjectKey(key_id, key, since)

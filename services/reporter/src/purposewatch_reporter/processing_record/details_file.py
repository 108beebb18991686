"""Reads what an operator states about controllers, with the line of every fault."""

import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path

from purposewatch_policy import CONTROLLER_PATTERN, TERM_PATTERN, InvalidSourceError
from purposewatch_policy.yaml_reader import (
    Fields,
    Location,
    MappingNode,
    Node,
    ScalarNode,
    SourceError,
    as_mapping,
    read_mapping,
)
from purposewatch_reporter.processing_record.details import ControllerDetails, Party

MAX_TEXT = 4_000
"""Characters of one text."""
MAX_ITEMS = 200
"""Items of one list."""

_FIELDS = (
    "name",
    "contact",
    "representative",
    "data_protection_officer",
    "joint_controllers",
    "home",
    "safeguards",
    "security_measures",
)


def load_details(path: Path) -> Mapping[str, ControllerDetails]:
    """Return the details by controller. Raises `InvalidSourceError` with every fault."""
    errors: list[SourceError] = []
    root = read_mapping(path, errors)
    details: dict[str, ControllerDetails] = {}
    if root is not None:
        controllers = Fields(root, ("controllers",), "the file", errors).mapping(
            "controllers", required=True
        )
        if controllers is not None:
            details = _controllers(controllers, errors)
    if errors:
        raise InvalidSourceError(errors)
    return details


def _controllers(node: MappingNode, errors: list[SourceError]) -> dict[str, ControllerDetails]:
    details = {}
    for name, entry in node.entries.items():
        if not re.fullmatch(CONTROLLER_PATTERN, name):
            message = f"`{name}` can't be a controller; write a name such as `wework-labs`"
            errors.append(node.key_at[name].error(message))
        fields = as_mapping(entry, f"`{name}`", errors)
        if fields is not None:
            details[name] = _controller(Fields(fields, _FIELDS, "a controller", errors), errors)
    return details


def _controller(fields: Fields, errors: list[SourceError]) -> ControllerDetails:
    return ControllerDetails(
        controller=_party_of(fields) if any(map(fields.states, ("name", "contact"))) else None,
        representative=_party(fields, "representative", errors),
        data_protection_officer=_party(fields, "data_protection_officer", errors),
        joint_controllers=_joint_controllers(fields, errors),
        home=_terms(fields, "home"),
        safeguards=_safeguards(fields, errors),
        security_measures=_measures(fields),
    )


def _party(fields: Fields, name: str, errors: list[SourceError]) -> Party | None:
    node = fields.mapping(name)
    return None if node is None else _party_in(node, f"`{name}`", errors)


def _party_in(node: MappingNode, what: str, errors: list[SourceError]) -> Party:
    return _party_of(Fields(node, ("name", "contact"), what, errors))


def _party_of(fields: Fields) -> Party:
    name = _text(fields, fields.text("name", required=True), fields.location("name"))
    return Party(name, _text(fields, fields.text("contact"), fields.location("contact")))


def _joint_controllers(fields: Fields, errors: list[SourceError]) -> tuple[Party, ...]:
    nodes = (
        as_mapping(each, "a joint controller", errors)
        for each in _bounded(fields, "joint_controllers")
    )
    return tuple(_party_in(each, "a joint controller", errors) for each in nodes if each)


def _terms(fields: Fields, name: str) -> tuple[str, ...]:
    items = fields.names(name) or ()
    for item in items:
        if not re.fullmatch(TERM_PATTERN, item.text):
            fields.error(f"`{item.text}` can't be a term; write one such as `eu.de`", item.at)
    return tuple(item.text for item in items)


def _safeguards(fields: Fields, errors: list[SourceError]) -> dict[str, str]:
    node = fields.mapping("safeguards")
    if node is None:
        return {}
    texts = Fields(node, node.entries, "`safeguards`", errors)
    for term in node.entries:
        if not re.fullmatch(TERM_PATTERN, term):
            message = f"`{term}` is neither a location nor a recipient; write a term such as `us`"
            texts.error(message, node.key_at[term])
    return {
        term: _text(texts, texts.text(term, required=True), texts.location(term))
        for term in node.entries
    }


def _measures(fields: Fields) -> tuple[str, ...]:
    measures = []
    for item in _bounded(fields, "security_measures"):
        if isinstance(item, ScalarNode) and not item.is_null and item.text.strip():
            measures.append(_text(fields, item.text, item.at))
        else:
            fields.error("an item of `security_measures` must be a text", item.at)
    return tuple(measures)


def _bounded(fields: Fields, name: str) -> list[Node]:
    items = fields.items(name)
    if len(items) > MAX_ITEMS:
        fields.error(f"`{name}` has {len(items)} items; name at most {MAX_ITEMS}")
    return items


def _text(fields: Fields, text: str, at: Location) -> str:
    """Return a text without the spaces around it; a fault for one that no document can hold."""
    if len(text) > MAX_TEXT:
        fields.error(f"a text has at most {MAX_TEXT} characters; shorten it", at)
    if any(unicodedata.category(each) in ("Cc", "Cs") and each not in "\n\t" for each in text):
        fields.error("a text holds a control character; remove it", at)
    return text.strip()

"""Reads one version of a policy, and lists every fault with its line and what to do about it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from purposewatch_policy.decision import Dimension
from purposewatch_policy.files.defined_terms import (
    GROUPED,
    DefinedTermDraft,
    distinct,
    expand_defined_terms,
    unknown_defined_term,
)
from purposewatch_policy.files.exceptions import faulty_exceptions
from purposewatch_policy.files.retention import read_retention
from purposewatch_policy.flow import TERM_PATTERN
from purposewatch_policy.model import AcceptedFinding, DefinedTerm, Effect, Mode, Policy, Statement
from purposewatch_policy.shadow import SHADOW_SUFFIX
from purposewatch_policy.version_paths import part_paths
from purposewatch_policy.vocabulary import FIRST_PARTY, Taxonomy, Vocabulary
from purposewatch_policy.yaml_reader import (
    Fields,
    Location,
    MappingNode,
    Node,
    ScalarNode,
    SourceError,
    as_mapping,
    did_you_mean,
    read_labels,
    read_mapping,
)

_SECTION = r"[a-z0-9][a-z0-9_]*"
_CLAUSE = rf"{_SECTION}(\.[a-z0-9_]+){{1,2}}"
_RULE = r"[a-z]+(-[a-z]+)*"
_DOCUMENT_FIELDS = ("language", "title", "note")
_DEFINED_TERM_FIELDS = ("label", *GROUPED, "defined_terms", "note")
_POLICY_FIELDS = (
    "controller",
    "version",
    "in_force_from",
    "in_force_until",
    "mode",
    "replaces",
    "title",
    "document",
    "sections",
    "defined_terms",
    "statements",
)
_PART_FIELDS = ("statements",)
_STATEMENT_FIELDS = (
    "id",
    "clause",
    "effect",
    "roles",
    "data_categories",
    "defined_terms",
    "operations",
    "purposes",
    "recipients",
    "legal_bases",
    "sources",
    "locations",
    "retention_days",
    "except",
    "when",
    "unless",
    "shadow",
    "note",
    "accepted_findings",
)
_EXCEPT_FIELDS = (*GROUPED, "defined_terms")
_ACCEPTED_FINDING_FIELDS = ("rule", "reason")


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """A policy, and the locations that checks across files report."""

    policy: Policy
    version_at: Location
    in_force_from_at: Location
    replaces_at: Location
    """The version's own location if it replaces none."""


def read_policy(
    path: Path, controller: str, vocabulary: Vocabulary, errors: list[SourceError]
) -> PolicyFile | None:
    """Read one version of a controller's policy: a file, or a directory of files.

    Returns `None` when a file cannot be read at all. The result may be used only if no error was
    added.
    """
    read = [read_mapping(each, errors) for each in part_paths(path)]
    files = [each for each in read if each is not None]
    if len(files) < len(read):
        return None
    return policy_of(files, controller, vocabulary, errors)


def policy_of(
    files: Sequence[MappingNode],
    controller: str,
    vocabulary: Vocabulary,
    errors: list[SourceError],
) -> PolicyFile:
    """Return the policy of files that were read, the one with its head first; see `read_policy`."""
    return _PolicyReader(vocabulary, errors).policy(files[0], files[1:], controller)


class _PolicyReader:
    def __init__(self, vocabulary: Vocabulary, errors: list[SourceError]) -> None:
        self._vocabulary = vocabulary
        self._errors = errors
        self._sections: dict[str, dict[str, str]] = {}
        self._defined: dict[str, DefinedTerm] = {}

    def policy(
        self, head: MappingNode, parts: Sequence[MappingNode], controller: str
    ) -> PolicyFile:
        fields = Fields(head, _POLICY_FIELDS, "a policy", self._errors)
        stated = fields.text("controller", required=True)
        if stated and stated != controller:
            message = f"`controller` is `{stated}`, but the directory is `{controller}`; align them"
            fields.error(message, fields.location("controller"))
        begins = fields.timestamp("in_force_from", required=True)
        until = fields.timestamp("in_force_until")
        if begins and until and until <= begins:
            message = "`in_force_until` is not after `in_force_from`; correct one of them"
            fields.error(message, fields.location("in_force_until"))
        mode = self._mode(fields)
        self._sections = self._read_sections(fields)
        self._defined = self._read_defined_terms(fields)
        live, tried = self._statements(fields, parts, mode)
        policy = Policy(
            controller=controller,
            version=self._version(fields),
            in_force_from=begins or datetime.min.replace(tzinfo=UTC),
            in_force_until=until,
            statements=live,
            title=fields.labels("title"),
            document=self._document(fields),
            sections=self._sections,
            defined_terms=self._defined,
            mode=mode,
            replaces=fields.text("replaces") or None,
            shadow_statements=tried,
        )
        places = [fields.location(each) for each in ("version", "in_force_from", "replaces")]
        return PolicyFile(policy, *places)

    def _version(self, fields: Fields) -> str:
        version = fields.text("version", required=True)
        if version.endswith(SHADOW_SUFFIX):
            message = f"a version's name must not end with `{SHADOW_SUFFIX}`; choose another"
            fields.error(message, fields.location("version"))
        return version

    def _mode(self, fields: Fields) -> Mode:
        text = fields.text("mode") or Mode.LIVE
        if text in set(Mode):
            return Mode(text)
        message = f"`mode` is `{text}`; write `live` or `shadow`"
        fields.error(message, fields.location("mode"))
        return Mode.LIVE

    def _document(self, fields: Fields) -> dict[str, str]:
        node = fields.mapping("document")
        if node is None:
            return {}
        document = Fields(node, _DOCUMENT_FIELDS, "a document", self._errors)
        return {name: document.text(name) for name in _DOCUMENT_FIELDS if document.states(name)}

    def _read_sections(self, fields: Fields) -> dict[str, dict[str, str]]:
        node = fields.mapping("sections", required=True)
        sections: dict[str, dict[str, str]] = {}
        for name, value in node.entries.items() if node else ():
            if node and not re.fullmatch(_SECTION, name):
                message = f"`{name}` is not a section; write lower-case letters, digits and `_`"
                fields.error(message, node.key_at[name])
            labels = as_mapping(value, f"the label of `{name}`", self._errors)
            sections[name] = read_labels(labels, self._errors) if labels else {}
        return sections

    def _read_defined_terms(self, fields: Fields) -> dict[str, DefinedTerm]:
        node = fields.mapping("defined_terms")
        drafts: dict[str, DefinedTermDraft] = {}
        for name, value in node.entries.items() if node else ():
            if node and not re.fullmatch(TERM_PATTERN, name):
                message = (
                    f"`{name}` is not a defined term; write lower-case words such as `contact`"
                )
                fields.error(message, node.key_at[name])
            body = as_mapping(value, f"the defined term `{name}`", self._errors)
            if body is not None:
                drafts[name] = self._draft(body)
        return expand_defined_terms(drafts, self._errors)

    def _draft(self, body: MappingNode) -> DefinedTermDraft:
        fields = Fields(body, _DEFINED_TERM_FIELDS, "a defined term", self._errors)
        nested = fields.names("defined_terms") or ()
        stated = [name for name in GROUPED if fields.states(name)]
        if not stated and not nested:
            message = "a defined term must name something; add `data_categories`, or `purposes` ..."
            fields.error(message)
        for name in stated[1:]:
            message = f"a defined term names `{stated[0]}` or `{name}`; make one for each"
            fields.error(message, fields.location(name))
        own = [
            self._terms(fields, name, self._vocabulary.taxonomy(GROUPED[name])) or ()
            for name in stated
        ]
        return DefinedTermDraft(
            dimension=GROUPED[stated[0]] if stated else None,
            own=own[0] if own else (),
            nested=nested,
            label=fields.labels("label"),
            note=fields.text("note"),
        )

    def _statements(
        self, head: Fields, parts: Sequence[MappingNode], mode: Mode
    ) -> tuple[tuple[Statement, ...], dict[int, Statement]]:
        """Return the statements, and those in shadow mode by their position among all of them."""
        statements: list[Statement] = []
        tried: dict[int, Statement] = {}
        places: dict[str, Location] = {}
        for node in self._statement_nodes(head, parts):
            body = as_mapping(node, "a statement", self._errors)
            if body is None:
                continue
            each = Fields(body, _STATEMENT_FIELDS, "a statement", self._errors)
            statement = self._statement(each)
            if statement.id in places:
                message = (
                    f"the statement `{statement.id}` is already in "
                    f"{_relative(places[statement.id], each.at)}; give one of the two another `id`"
                )
                each.error(message, each.location("id"))
            elif statement.id:
                places[statement.id] = each.location("id")
            if not each.flag("shadow"):
                statements.append(statement)
                continue
            if mode is Mode.SHADOW:
                message = "the whole version is in shadow mode; remove `shadow`, or its `mode`"
                each.error(message, each.location("shadow"))
            tried[len(statements) + len(tried)] = statement
        return tuple(statements), tried

    def _statement_nodes(self, head: Fields, parts: Sequence[MappingNode]) -> Iterator[Node]:
        """Yield the statements of all files in their order. No file may be without."""
        further = (Fields(each, _PART_FIELDS, "a further file", self._errors) for each in parts)
        for fields in (head, *further):
            nodes = fields.items("statements", required=True)
            if fields.states("statements") and not nodes:
                message = "`statements` is empty; state at least one"
                fields.error(message, fields.location("statements"))
            yield from nodes

    def _statement(self, fields: Fields) -> Statement:
        effect = self._effect(fields)
        permits = effect is Effect.PERMIT
        prohibits = effect is Effect.PROHIBIT
        stated = fields.names("defined_terms") or ()
        defined = self._defined_terms(stated)
        may_lack = len(defined) < len(stated)  # what an unknown defined term would have named
        named = {name: self._named(fields, name, defined) for name in GROUPED}
        if named["data_categories"] is None and not may_lack:
            message = "a statement must name data; add `data_categories`, even if it is only `user`"
            fields.error(message)
        for name, is_required in (("operations", True), ("purposes", permits)):
            if is_required and named[name] is None and not may_lack:
                fields.names(name, required=True)
        if prohibits and named["legal_bases"] is not None:
            message = "a prohibition cannot have a legal basis; remove `legal_bases`"
            fields.error(message, fields.location("legal_bases"))
        when = self._terms(fields, "when", self._vocabulary.facts) or ()
        unless = self._terms(fields, "unless", self._vocabulary.facts) or ()
        for fact in when:
            if fact in unless:
                message = f"`{fact}` is in `when` and in `unless`, so it never applies; keep one"
                fields.error(message, fields.location("unless"))
        retention = read_retention(fields, self._errors, prohibits=prohibits)
        named["recipients"] = named["recipients"] or (None if prohibits else (FIRST_PARTY,))
        exceptions, by = self._exceptions(fields, named, prohibits=prohibits)
        return Statement(
            id=fields.name("id", TERM_PATTERN, "members.contact.identify", required=True),
            clause=self._clause(fields),
            effect=effect or Effect.PERMIT,
            roles=named["roles"],
            data_categories=named["data_categories"] or (),
            defined_terms=tuple(term.name for term in defined),
            operations=named["operations"] or (),
            purposes=named["purposes"],
            recipients=named["recipients"],
            legal_bases=named["legal_bases"],
            sources=named["sources"],
            locations=named["locations"],
            retention_days=retention.at_most,
            retention_at_least=retention.at_least,
            exceptions=exceptions,
            excepted_defined_terms=by,
            when=when,
            unless=unless,
            note=fields.text("note"),
            accepted_findings=self._accepted_findings(fields),
        )

    def _exceptions(
        self, fields: Fields, named: dict[str, tuple[str, ...] | None], *, prohibits: bool
    ) -> tuple[dict[Dimension, tuple[str, ...]], tuple[str, ...]]:
        """Return what a statement leaves out, and the defined terms by which it does."""
        node = fields.mapping("except")
        if node is None:
            return {}, ()
        body = Fields(node, _EXCEPT_FIELDS, "`except`", self._errors)
        defined = self._defined_terms(body.names("defined_terms") or ())
        exceptions = {}
        for name, dimension in GROUPED.items():
            excepted = self._named(body, name, defined)
            if not excepted:
                continue
            exceptions[dimension] = excepted
            place = body.location(name if body.states(name) else "defined_terms")
            if prohibits and dimension is Dimension.LEGAL_BASIS:
                body.error("a prohibition cannot have a legal basis; remove `legal_bases`", place)
                continue
            taxonomy = self._vocabulary.taxonomy(dimension)
            for message in faulty_exceptions(
                named[name], excepted, taxonomy, permits=not prohibits
            ):
                body.error(message, place)
        if not node.entries:
            body.error("`except` is empty; name what the statement leaves out, or remove it")
        return exceptions, tuple(term.name for term in defined)

    def _accepted_findings(self, fields: Fields) -> tuple[AcceptedFinding, ...]:
        accepted: dict[str, AcceptedFinding] = {}
        for node in fields.items("accepted_findings"):
            body = as_mapping(node, "an accepted finding", self._errors)
            if body is None:
                continue
            each = Fields(body, _ACCEPTED_FINDING_FIELDS, "an accepted finding", self._errors)
            rule = each.name("rule", _RULE, "public-disclosure", required=True)
            if rule and rule in accepted:
                message = f"`{rule}` is accepted twice; keep one of the two"
                each.error(message, each.location("rule"))
            accepted[rule] = AcceptedFinding(rule, each.text("reason", required=True))
        return tuple(accepted.values())

    def _effect(self, fields: Fields) -> Effect | None:
        text = fields.text("effect", required=True)
        if text in set(Effect):
            return Effect(text)
        if text:
            message = f"`effect` is `{text}`; write `permit` or `prohibit`"
            fields.error(message, fields.location("effect"))
        return None

    def _clause(self, fields: Fields) -> str:
        clause = fields.name("clause", _CLAUSE, "members.1", required=True)
        section = clause.partition(".")[0]
        if re.fullmatch(_CLAUSE, clause) and section not in self._sections:
            hint = did_you_mean(section, self._sections) or "; declare it in `sections`"
            fields.error(f"unknown section `{section}`{hint}", fields.location("clause"))
        return clause

    def _defined_terms(self, nodes: Sequence[ScalarNode]) -> list[DefinedTerm]:
        terms = []
        for node in nodes:
            if node.text in self._defined:
                terms.append(self._defined[node.text])
            else:
                self._errors.append(unknown_defined_term(node, self._defined))
        return terms

    def _named(
        self, fields: Fields, name: str, defined: list[DefinedTerm]
    ) -> tuple[str, ...] | None:
        """Return what a statement names itself, then by its defined terms; `None` for neither."""
        dimension = GROUPED[name]
        own = self._terms(fields, name, self._vocabulary.taxonomy(dimension))
        groups = [term.terms for term in defined if term.dimension is dimension]
        return own if not groups else distinct(own or (), *groups)

    def _terms(self, fields: Fields, name: str, taxonomy: Taxonomy) -> tuple[str, ...] | None:
        nodes = fields.names(name)
        if nodes is None:
            return None
        for node in nodes:
            if node.text not in taxonomy:
                hint = did_you_mean(node.text, taxonomy) or "; declare it in the vocabulary"
                fields.error(f"unknown {taxonomy.noun} `{node.text}`{hint}", node.at)
        return tuple(node.text for node in nodes)


def _relative(place: Location, seen_from: Location) -> str:
    return f"line {place.line}" if place.path == seen_from.path else str(place)

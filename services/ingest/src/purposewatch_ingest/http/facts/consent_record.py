"""Consents as records of ISO/IEC TS 27560, in the terms of the W3C Data Privacy Vocabulary.

Follows the guide to TS 27560 of the vocabulary's community group. A consent is the fact `consent`,
or one below it. Its statements are the events of the record, and what the policy in force permits
on condition of it is the processing.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from purposewatch_contract import StatedFactAsOf, SubjectFacts
from purposewatch_policy import CompiledPolicy, Effect, Statement
from purposewatch_policy.vocabulary import Taxonomy, Vocabulary

_CONSENT = "consent"
_CONTEXT = {
    "dpv": "https://w3id.org/dpv#",
    "dct": "http://purl.org/dc/terms/",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
_PROFILE = {"@id": "https://w3id.org/dpv/schema/dpv-27560#record"}
CONSENT_RECORDS_EXAMPLE: dict[str, Any] = {
    "@context": _CONTEXT,
    "@graph": [{"@type": "dpv:ConsentRecord", "dct:conformsTo": _PROFILE}],
}


def consent_records(
    controller: str, subject_id: str, found: SubjectFacts, policy: CompiledPolicy | None
) -> dict[str, Any]:
    """Return a JSON-LD document with a record for each consent that was stated."""
    consents = [each for each in found.statements if each.fact.partition(".")[0] == _CONSENT]
    graph = []
    for fact, statements in groupby(sorted(consents, key=_order), key=lambda each: each.fact):
        identifier = f"urn:uuid:{uuid5(NAMESPACE_URL, f'{controller}/{fact}/{subject_id}')}"
        record: dict[str, Any] = {
            "@id": identifier,
            "@type": "dpv:ConsentRecord",
            "dct:conformsTo": _PROFILE,
            "dct:identifier": identifier,
            "dct:title": fact,
            "dpv:hasDataSubject": {"@type": "dpv:DataSubject", "dct:identifier": subject_id},
            "dpv:hasDataController": {
                "@type": "dpv:DataController",
                "dct:identifier": controller,
            },
            "dpv:hasLegalBasis": {"@id": "dpv:Consent"},
            "dpv:hasConsentStatus": _events(list(statements), found.as_of),
        }
        if policy is not None:
            record["dpv:hasProcess"] = [
                _process(statement, policy.vocabulary)
                for statement in policy.policy.statements
                if statement.effect is Effect.PERMIT and fact in statement.when
            ]
        graph.append(record)
    return {"@context": _CONTEXT, "@graph": graph}


def _order(statement: StatedFactAsOf) -> tuple[str, datetime, datetime]:
    return statement.fact, statement.effective_from, statement.stated_time


def _events(statements: Sequence[StatedFactAsOf], as_of: datetime) -> list[dict[str, Any]]:
    """Return what happened to a consent, in order; of corrected statements, the one that counts."""
    events, given = [], False
    for _, alike in groupby(statements, key=lambda each: each.effective_from):
        statement = list(alike)[-1]
        lapsed = "dpv:ConsentWithdrawn" if given else "dpv:ConsentRefused"
        given = statement.value
        events.append(_event(statement, "dpv:ConsentGiven" if given else lapsed))
    last = statements[-1]
    if last.value and last.until is not None and last.until <= as_of:
        events.append({"@type": "dpv:ConsentExpired", "dpv:isIndicatedAtTime": _time(last.until)})
    return events


def _event(statement: StatedFactAsOf, status: str) -> dict[str, Any]:
    duration: dict[str, Any] = {"@type": "dpv:EndlessDuration"}
    if statement.until is not None:
        duration = {"@type": "dpv:UntilTimeDuration", "rdf:value": _time(statement.until)}
    event: dict[str, Any] = {
        "@type": status,
        "dpv:isIndicatedAtTime": _time(statement.effective_from),
        "dpv:hasDuration": duration,
        "dct:identifier": statement.statement,
        "dct:creator": statement.publisher,
    }
    if statement.evidence is not None:
        event["dct:source"] = statement.evidence
    return event


def _process(statement: Statement, vocabulary: Vocabulary) -> dict[str, Any]:
    """Return what a statement of the policy permits; what it does not restrict is left out."""
    named: tuple[tuple[str, Iterable[str] | None, Taxonomy], ...] = (
        ("dpv:hasPurpose", statement.purposes, vocabulary.purposes),
        ("dpv:hasPersonalData", statement.data_categories, vocabulary.data_categories),
        ("dpv:hasProcessing", statement.operations, vocabulary.operations),
        ("dpv:hasRecipient", statement.recipients, vocabulary.recipients),
        ("dpv:hasDataSource", statement.sources, vocabulary.sources),
        ("dpv:hasLocation", statement.locations, vocabulary.locations),
    )
    process: dict[str, Any] = {"@type": "dpv:Process", "dct:identifier": statement.id}
    process |= {
        name: [_term(term, taxonomy) for term in terms] for name, terms, taxonomy in named if terms
    }
    if statement.retention_days is not None:
        process["dpv:hasStorageCondition"] = {
            "@type": "dpv:StorageDuration",
            "dpv:hasDuration": f"P{statement.retention_days}D",
        }
    return process


def _term(term: str, taxonomy: Taxonomy) -> dict[str, Any]:
    """Return a term by its concept in the Data Privacy Vocabulary, if it has one."""
    concept = taxonomy[term].iri
    named: dict[str, Any] = {} if concept is None else {"@id": concept}
    return named | {"dct:identifier": term, "dct:title": taxonomy.label(term)}


def _time(time: datetime) -> dict[str, str]:
    return {"@type": "xsd:dateTime", "@value": time.isoformat().replace("+00:00", "Z")}

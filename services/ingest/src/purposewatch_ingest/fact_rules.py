"""What must hold of a statement of a fact, apart from the contract. No clock, no I/O."""

from datetime import datetime

import msgspec

from purposewatch_contract import FACT_TYPE, ErrorClass, SubmittedFact
from purposewatch_contract.submission import FieldError, RefusedError
from purposewatch_ingest.publishers import Publisher
from purposewatch_ingest.rights import AdmissionRules, check_time, in_utc, vocabulary_for
from purposewatch_policy.vocabulary import Vocabulary
from purposewatch_policy.yaml_reader import did_you_mean


def check_fact(
    fact: SubmittedFact,
    publisher: Publisher,
    rules: AdmissionRules,
    now: datetime,
    *,
    suggest: bool,
) -> None:
    """Raise `RefusedError` unless the publisher may state this fact, which is the ledger's, now."""
    vocabulary = vocabulary_for(fact.data.controller, fact.source, publisher, rules)
    _check_authority(fact.data.fact, vocabulary, suggest=suggest)
    if not publisher.may_state(fact.data.fact):
        detail = (
            "is a fact that the publisher may not state; have it added to the publisher's "
            "`states_facts` in the register"
        )
        raise RefusedError(ErrorClass.FORBIDDEN, FieldError("/data/fact", detail))
    check_time(fact.time, now, rules.max_future)
    if fact.effective_from > now + rules.max_fact_future:
        detail = (
            f"is more than {rules.max_fact_future.days} days ahead of the clock of ingest; state "
            "the fact when it is nearer"
        )
        raise RefusedError(ErrorClass.IMPLAUSIBLE_TIME, FieldError("/data/effective_from", detail))


def _check_authority(fact: str, vocabulary: Vocabulary, *, suggest: bool) -> None:
    if fact not in vocabulary.facts:
        hint = did_you_mean(fact, vocabulary.ledger_facts) if suggest else ""
        detail = "has an unknown fact" + (hint or "; look the term up in the vocabulary")
        raise RefusedError(ErrorClass.UNKNOWN_TERM, FieldError("/data/fact", detail))
    if fact not in vocabulary.ledger_facts:
        detail = (
            "is a fact that each event claims for itself; claim it in `facts` of the events, or "
            "have the vocabulary give it `authority: ledger`"
        )
        raise RefusedError(ErrorClass.INVALID_EVENT, FieldError("/data/fact", detail))


def fact_content(fact: SubmittedFact, subject: str) -> str:
    """What the content digest is taken of: the JSON text `[type, time in UTC, data]`.

    In `data` names are sorted and absent fields are left out, except that `effective_from` is
    always there.
    """
    data = fact.data
    stated = {
        "controller": data.controller,
        "effective_from": in_utc(fact.effective_from),
        "evidence": data.evidence,
        "fact": data.fact,
        "subject": subject,
        "until": None if data.until is None else in_utc(data.until),
        "value": data.value,
    }
    known = {name: value for name, value in stated.items() if value is not None}
    return msgspec.json.encode([FACT_TYPE, in_utc(fact.time), known]).decode()

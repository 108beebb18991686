"""A newcomer finds the term, in the vocabularies of both policies."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

import purposewatch_policy
from purposewatch_policy import UsedTerms, load_policies
from purposewatch_policy.vocabulary import (
    MAX_QUERY_LENGTH,
    MatchedField,
    TermMatch,
    Vocabulary,
    VocabularySearch,
    load_vocabularies,
)
from purposewatch_policy.vocabulary.model import Taxonomy, TermEntry

POLICIES = Path(purposewatch_policy.__file__).parents[4] / "policies"
WEWORK, LINGGAN = "wework-labs", "linggan-house"

QUERIES = [
    # what a newcomer types, whose vocabulary, the term that has to be among the first three
    ("licence plate", WEWORK, "user.government_id.vehicle_registration"),
    ("licence plat", WEWORK, "user.government_id.vehicle_registration"),
    ("license plate", WEWORK, "user.government_id.vehicle_registration"),
    ("licence plates", WEWORK, "user.government_id.vehicle_registration"),
    ("number plate", WEWORK, "user.government_id.vehicle_registration"),
    ("车牌", WEWORK, "user.government_id.vehicle_registration"),
    ("车牌号码", WEWORK, "user.government_id.vehicle_registration"),
    ("車牌", WEWORK, "user.government_id.vehicle_registration"),
    ("電話號碼", WEWORK, "user.contact.phone_number"),
    ("門禁", WEWORK, "essential.service.access_control"),
    ("driver's license", WEWORK, "user.government_id.drivers_license_number"),
    ("driving licence", WEWORK, "user.government_id.drivers_license_number"),
    ("email", WEWORK, "user.contact.email"),
    ("e-mail adress", WEWORK, "user.contact.email"),
    ("mobile phone", WEWORK, "user.contact.phone_number"),
    ("telephon number", WEWORK, "user.contact.phone_number"),
    ("手机号", LINGGAN, "user.contact.phone_number"),
    ("home address", WEWORK, "user.contact.address"),
    ("ZIP code", WEWORK, "user.contact.address.postal_code"),
    ("surname", WEWORK, "user.name.last"),
    ("birthday", WEWORK, "user.demographic.date_of_birth"),
    ("credit card", WEWORK, "user.financial.credit_card"),
    ("IBAN", LINGGAN, "user.financial.bank_account"),
    ("银行卡号", LINGGAN, "user.financial.credit_card"),
    ("ID card", WEWORK, "user.government_id"),
    ("身份证", LINGGAN, "user.government_id.national_identification_number"),
    ("passport", WEWORK, "user.government_id.passport_number"),
    ("护照", WEWORK, "user.government_id.passport_number"),
    ("selfie", WEWORK, "user.content.self_image"),
    ("face recognition", WEWORK, "user.biometric"),
    ("GPS", LINGGAN, "user.location.precise"),
    ("whereabouts", LINGGAN, "user.location"),
    ("browser", LINGGAN, "user.device"),
    ("operating system", LINGGAN, "user.device.configuration"),
    ("uploaded documents", WEWORK, "user.content.uploads"),
    ("chat messages", WEWORK, "user.content.communications"),
    ("outlook calendar", WEWORK, "user.calendar"),
    ("desk hight", WEWORK, "user.office.preferences"),
    ("room booking", WEWORK, "user.office.bookings"),
    ("search history", WEWORK, "user.behavior.search_history"),
    ("phone book", LINGGAN, "user.address_book"),
    ("通讯录", LINGGAN, "user.address_book"),
    ("salary", LINGGAN, "user.financial.income"),
    ("credit score", LINGGAN, "user.financial.credit_profile"),
    ("call records", LINGGAN, "user.telecom"),
    ("medical", LINGGAN, "user.health_and_medical"),
    ("CV", LINGGAN, "user.workplace.job_applications"),
    ("verify identity", LINGGAN, "essential.service.authentication"),
    ("身份验证", LINGGAN, "essential.service.authentication"),
    ("sign-in", WEWORK, "user.authorization.credentials"),
    ("verifying identities", WEWORK, "essential.service.authentication"),
    ("fraud", WEWORK, "essential.fraud_detection"),
    ("anti-fraud", WEWORK, "essential.fraud_detection"),
    ("反欺诈", LINGGAN, "essential.fraud_detection"),
    ("customer service", WEWORK, "essential.service.operations.support"),
    ("answer questions", WEWORK, "essential.service.operations.support"),
    ("parcels", WEWORK, "essential.service.parcels"),
    ("key card", WEWORK, "essential.service.access_control"),
    ("门禁卡", WEWORK, "essential.service.access_control"),
    ("wi-fi", WEWORK, "essential.service.wifi"),
    ("reserve a meeting room", WEWORK, "functional.service.bookings"),
    ("improve our product", WEWORK, "functional.service.improve"),
    ("personalisation", WEWORK, "personalize"),
    ("ads", WEWORK, "marketing.advertising"),
    ("广告", WEWORK, "marketing.advertising"),
    ("newsletter", WEWORK, "marketing.communications"),
    ("billing", WEWORK, "essential.service.payment_processing"),
    ("hiring", WEWORK, "employment.recruitment"),
    ("machine learning", WEWORK, "train_ai_system"),
    ("credit check", LINGGAN, "finance.credit_assessment"),
    ("debt collection", LINGGAN, "finance.debt_collection"),
    ("催收", LINGGAN, "finance.debt_collection"),
    ("merger", LINGGAN, "operations.corporate_transaction"),
    ("questionnaire", LINGGAN, "functional.service.surveys"),
    ("us", WEWORK, "first_party"),
    ("ad network", WEWORK, "third_party.advertising"),
    ("hosting", WEWORK, "processor.cloud"),
    ("SMS provider", LINGGAN, "processor.messaging"),
    ("collection agency", LINGGAN, "third_party.debt_collector"),
    ("law enforcement", WEWORK, "authority.police"),
    ("法院", LINGGAN, "authority.court"),
    ("everybody", LINGGAN, "public"),
    ("landlord", WEWORK, "host"),
    ("cookies", LINGGAN, "device"),
    ("delete", WEWORK, "erase"),
    ("gather", WEWORK, "collect"),
    ("save", WEWORK, "store"),
    ("sell", WEWORK, "share"),
    ("opt-in", WEWORK, "consent.marketing"),
    ("arrears", LINGGAN, "loan.overdue"),
    ("guest", WEWORK, "visitor"),
    ("staff", WEWORK, "member_employee"),
    ("borrower", LINGGAN, "user"),
    ("germany", WEWORK, "eu.de"),
    ("the company itself", WEWORK, "first_party"),
    ("灵感屋自己", LINGGAN, "first_party"),
    ("另一名用户", LINGGAN, "third_party.other_user"),
    ("the employee himself", WEWORK, "data_subject"),
    ("carry out what the employee asked", WEWORK, "essential.service.requests"),
    ("customise working environment", WEWORK, "personalize.workspace"),
    ("decide whom to hire", WEWORK, "employment.recruitment"),
    ("改善现有服务", LINGGAN, "functional.service.improve"),
    ("基于位置的服务", LINGGAN, "essential.service.location_based"),
    ("催促还款", LINGGAN, "finance.debt_collection"),
    ("法院要求", LINGGAN, "third_party_sharing.legal_obligation"),
    ("card details", WEWORK, "user.financial.credit_card"),
    ("usage", WEWORK, "user.behavior.service_usage"),
    ("登录日志", LINGGAN, "user.device"),
    ("欠款", LINGGAN, "user.financial.loans"),
]


@cache
def index(controller: str) -> VocabularySearch:
    return VocabularySearch(load_vocabularies(POLICIES)[controller])


def terms(found: tuple[TermMatch, ...]) -> list[str]:
    return [match.entry.term for match in found]


@pytest.mark.parametrize(("query", "controller", "term"), QUERIES)
def test_newcomers_find_the_term(query: str, controller: str, term: str) -> None:
    """What a newcomer would type has the right term among the first three results."""
    assert term in terms(index(controller).search(query, limit=3))


@pytest.mark.parametrize("controller", [WEWORK, LINGGAN])
def test_declared_terms_have_words_in_both_languages(controller: str) -> None:
    """Every term that a statement names has a label and synonyms in English and Chinese."""
    policies = load_policies(POLICIES)
    vocabulary = policies.vocabularies[controller]
    used = UsedTerms(policies.versions(controller)[-1].policy, vocabulary)
    bare = [
        entry.term
        for dimension, taxonomy in vocabulary.taxonomies().items()
        for entry in taxonomy.values()
        if used.usage(dimension, entry.term).naming
        and not {"en", "zh"} <= entry.label.keys() & entry.synonyms.keys()
    ]
    assert bare == []


def test_match_says_by_what_it_was_found() -> None:
    """A match names the dimension, and the text that matched with its language."""
    [match] = index(WEWORK).search("车牌", limit=1)
    assert (
        match.dimension,
        match.matched,
        match.language,
        match.text,
    ) == ("data_categories", MatchedField.SYNONYM, "zh", "车牌")
    assert 0 < match.score <= 1


def test_term_itself_is_found() -> None:
    """The exact term comes first, though no text but the term matches."""
    found = VocabularySearch(Vocabulary.of(purposes=["billing", "sales"])).search("billing")
    assert terms(found) == ["billing"]
    assert (found[0].matched, found[0].language) == (MatchedField.TERM, None)


def test_search_can_be_restricted_to_a_dimension() -> None:
    """With a dimension, only its terms are found."""
    found = index(WEWORK).search("parking", dimension="purposes")
    assert {"purposes"} == {match.dimension for match in found}
    assert found[0].entry.term == "essential.service.parking"


def test_unknown_words_hide_nothing() -> None:
    """Words that no term of the dimension knows do not outweigh the one that a term knows."""
    entries = {"a": TermEntry("a", label={"en": "The landlord"}), "b": TermEntry("b")}
    vocabulary = replace(Vocabulary.of(purposes=["billing"]), sources=Taxonomy("source", entries))
    search = VocabularySearch(vocabulary)
    found = search.search("billing of Smith Brothers by the landlord", dimension="sources")
    assert terms(found) == ["a"]


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("notification", "notification"),  # the word itself
        ("notif", "notification"),  # its beginning
        ("notifying", "notification"),  # another ending
        ("notificaton", "notification"),  # misspelt
        ("notifications", "notification"),  # the plural
        ("organize", "organise"),  # American spelling
        ("電話", "电话"),  # traditional characters
    ],
)
def test_words_match_in_several_ways(query: str, text: str) -> None:
    """A word is found by its beginning, with another ending, misspelt or spelt otherwise."""
    entries = {"a": TermEntry("a", label={"en": text}), "b": TermEntry("b", label={"en": "other"})}
    vocabulary = replace(Vocabulary.of(), purposes=Taxonomy("purpose", entries))
    assert terms(VocabularySearch(vocabulary).search(query)) == ["a"]
    assert terms(VocabularySearch(vocabulary).search("nothing")) == []


def test_whole_name_of_a_term_comes_first() -> None:
    """What names the term itself is better than a word in the labels of others."""
    found = index(WEWORK).search("advertising")
    assert terms(found)[0] == "marketing.advertising"


def test_better_matches_come_first() -> None:
    """A label counts more than a synonym, and a synonym more than a description."""
    entries = {
        "a": TermEntry("a", description={"en": "storm"}),
        "b": TermEntry("b", synonyms={"en": ("storm",)}),
        "c": TermEntry("c", label={"en": "storm"}),
    }
    vocabulary = replace(Vocabulary.of(), purposes=Taxonomy("purpose", entries))
    assert terms(VocabularySearch(vocabulary).search("storm")) == ["c", "b", "a"]


@pytest.mark.parametrize("query", ["", " ", "?!", "the", "qqqqqqqq", "龘", "a" * 10_000, "\0"])
def test_nothing_is_found_for_nonsense(query: str) -> None:
    """A query without a word of any text finds nothing, and ends."""
    assert index(WEWORK).search(query) == ()


def test_long_queries_are_cut() -> None:
    """What lies beyond the limit has no effect."""
    query = "parking".ljust(MAX_QUERY_LENGTH)
    assert index(WEWORK).search(query) == index(WEWORK).search(query + " passport" * 1_000)

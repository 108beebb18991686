"""The pytest plugin, in runs of pytest of its own."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import purposewatch_client.testing.session  # noqa: F401 - imported once, not in each run
from tests.unit.cli.policy.trees import copy_with_ledger

pytest_plugins = ["pytester"]

POLICIES = Path(__file__).parents[4] / "policies"
FILE = """
import pytest
import purposewatch_client as purposewatch

purposewatch.configure(
    source="/portal", controller="wework-labs", sink=purposewatch.MemorySink()
)

def use(purpose="essential.service.notifications", **fields):
    purposewatch.record(
        **{"subject": "m-1", "role": "member_employee", "operation": "use", "purpose": purpose,
           "categories": ["user.contact.email"], **fields})

def test_permitted():
    use()
    use(subject="m-2")
"""


Run = Callable[..., pytest.RunResult]


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a file of tests in which `use` records an access; the options follow."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # others' plugins take seconds

    def start(tests: str, *options: str) -> pytest.RunResult:
        pytester.makepyfile(FILE + tests)
        return pytester.runpytest_inprocess("-p", "purposewatch_client_pytest", *options)

    return start


POLICY = f"--purposewatch-policy={POLICIES}"


def test_captured_events_are_those_of_the_test(run: Run, pytester: pytest.Pytester) -> None:
    """As ingest would get them; nothing is spooled or sent, and no policy is needed."""
    result = run(
        """
def test_captured(captured):
    assert captured.events == []
    use()
    [event] = captured.events
    assert event["source"] == "/portal"
    assert event["data"]["subject_id"] == "m-1"

def test_captured_again(captured):
    assert captured.events == []
"""
    )
    result.assert_outcomes(passed=3)
    assert not (pytester.path / "spool").exists()


def test_a_violation_fails_its_test_with_the_reason_and_the_smallest_change(run: Run) -> None:
    """And names the line that recorded it. Other tests pass."""
    result = run(
        """
def test_advertises():
    use("marketing.advertising", operation="share", recipient="third_party.advertising")

def test_captures_too(captured):
    use()
    assert len(captured.events) == 1
""",
        POLICY,
    )
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(
        [
            "the declared policy does not permit 1 flow",
            "undeclared_third_party_sharing: share user.contact.email of member_employee to *",
            "  recorded at test_*.py:9",
            "  *no statement for this role lets that category go to that recipient*",
            "  smallest change that would make it permitted",
            "    of the event: *",
            "    of the policy: *",
            "*= flows of personal data =*",
            "undeclared_third_party_sharing  share user.contact.email * (1 test, 1 event)",
            "permitted  *  use user.contact.email of member_employee *  (2 tests, 3 events)",
            "2 distinct flows: 1 permitted, 1 violation",
        ]
    )


def test_an_event_is_decided_by_the_policy_of_its_time(run: Run) -> None:
    """The same flow was not permitted before the policy was in force."""
    result = run(
        """
from datetime import UTC, datetime

def test_long_ago():
    use(time=datetime(2010, 1, 1, tzinfo=UTC))
""",
        POLICY,
    )
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["policy_not_in_force: use user.contact.email *"])
    result.stdout.fnmatch_lines(["2 distinct flows: 1 permitted, 1 violation"])


def test_an_unknown_term_fails_with_the_nearest_one(run: Run) -> None:
    """The vocabulary is at hand, so no ingest has to be asked."""
    result = run(
        """
def test_misspelt():
    use("essential.service.notification")
""",
        POLICY,
    )
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "unknown: use user.contact.email *",
            "  `*.notification` * not in the vocabulary; did you mean `*.notifications`?",
        ]
    )


def test_a_wrong_field_fails_the_test_that_states_it(run: Run) -> None:
    """In production it is logged, since the service's work must go on."""
    result = run(
        """
def test_wrong(captured):
    use("Not a term")
"""
    )
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*EventError: `purpose` must be a vocabulary term*"])


def test_fixtures_count_for_the_test_that_uses_them(run: Run) -> None:
    """What the set-up causes fails the test, what the tear-down causes is an error of it."""
    result = run(
        """
@pytest.fixture
def before():
    use("marketing.advertising")

@pytest.fixture
def after():
    yield
    use("marketing.advertising")

def test_before(before): pass
def test_after(after): pass
""",
        POLICY,
    )
    result.assert_outcomes(passed=2, failed=1, errors=1)


def test_a_failing_test_shows_its_violations_as_well(run: Run) -> None:
    """Its own failure stays."""
    result = run(
        """
def test_both():
    use("marketing.advertising")
    assert 1 == 2
""",
        POLICY,
    )
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*assert 1 == 2*", "undeclared_purpose: *"])


ALLOWED = """
@pytest.mark.purposewatch_allow("undeclared_purpose", reason="agreed in the review of March")
def test_allowed():
    use("marketing.advertising")
"""


def test_an_allowed_violation_passes_and_is_reported_with_the_reason(run: Run) -> None:
    """Only the kind that the marker names."""
    result = run(
        ALLOWED
        + """
@pytest.mark.purposewatch_allow("prohibited", reason="another one")
def test_of_another_kind():
    use("marketing.advertising")
""",
        POLICY,
    )
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*(2 tests, 2 events; allowed: agreed in the review of March)"])


def test_gaps_are_listed(run: Run, pytester: pytest.Pytester) -> None:
    """What nobody reports has no verdict, so a green suite would say too much."""
    result = run(
        """
from purposewatch_client.gap_counter import GapKind, count_gap

@pytest.mark.parametrize("number", [1, 2])
def test_raw_sql(number):
    count_gap("sqlalchemy", GapKind.UNPARSED_STATEMENT, "members", number)
""",
        POLICY,
        "--purposewatch-report=flows.json",
    )
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(
        ["gap: sqlalchemy, unparsed_statement of members: 3 accesses in 2 tests"]
    )
    [gap] = json.loads((pytester.path / "flows.json").read_text())["gaps"]
    assert (gap["kind"], gap["name"], gap["accesses"]) == ("unparsed_statement", "members", 3)


def test_a_client_that_a_fixture_configures_is_captured_too(run: Run) -> None:
    """In the test that needs the fixture first, and in those that share it."""
    result = run(
        """
@pytest.fixture(scope="module")
def service():
    purposewatch.configure(source="/other", controller="wework-labs", ingest_url="http://[::1]:9")

def test_first(service, captured):
    use()
    assert captured.events[0]["source"] == "/other"

def test_second(service, captured):
    use()
    assert captured.events[0]["source"] == "/other"
"""
    )
    result.assert_outcomes(passed=3)


def test_strict_fails_what_is_allowed(run: Run) -> None:
    """To see what is behind the markers."""
    run(ALLOWED, POLICY, "--purposewatch-strict").assert_outcomes(passed=1, failed=1)


@pytest.mark.parametrize(
    ("marker", "reason"),
    [
        ('("undeclared_purpose")', "*takes kinds of violations and a reason*"),
        ('(reason="x")', "*takes kinds of violations and a reason*"),
        ('("undeclared_porpoise", reason="x")', "*names `undeclared_porpoise`, which is none of*"),
    ],
)
def test_a_marker_that_allows_nothing_fails_its_test(run: Run, marker: str, reason: str) -> None:
    """A misspelt kind must not look like an allowance."""
    result = run(
        f"""
@pytest.mark.purposewatch_allow{marker}
def test_marked():
    use("marketing.advertising")
""",
        POLICY,
    )
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines([reason])


def test_workers_of_xdist_report_to_one_place(run: Run, pytester: pytest.Pytester) -> None:
    """On the terminal and in the file; the policy is named in the configuration."""
    pytester.makeini(f"[pytest]\nxfail_strict = true\npurposewatch_policy = {POLICIES}\n")
    pytester.makepyfile(FILE + ALLOWED)
    options = ("-p", "xdist", "-p", "purposewatch_client_pytest", "-n2")
    result = pytester.runpytest_subprocess(*options, "--purposewatch-report=flows.json")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["2 distinct flows: 1 permitted, 1 violation"])
    violation, permitted = json.loads((pytester.path / "flows.json").read_text())["flows"]
    assert violation["kind"] == "undeclared_purpose"
    assert violation["allowed"] == ["agreed in the review of March"]
    assert violation["flow"]["purpose"] == "marketing.advertising"
    assert permitted["tests"] == ["test_workers_of_xdist_report_to_one_place.py::test_permitted"]
    assert permitted["events"] == 2
    assert "m-1" not in (pytester.path / "flows.json").read_text()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--purposewatch-policy=nowhere"], "*--purposewatch-policy: *nowhere*"),
        (["--purposewatch-report=x.json"], "*--purposewatch-report needs --purposewatch-policy*"),
        (["--purposewatch-facts=x.yaml"], "*--purposewatch-facts needs --purposewatch-policy*"),
        (
            [POLICY, "--purposewatch-facts=x.yaml"],
            "*--purposewatch-facts: x.yaml: *cannot be read*",
        ),
    ],
)
def test_what_cannot_work_is_said_before_any_test(
    run: Run, options: list[str], reason: str
) -> None:
    """A typing error must not pass for a clean suite."""
    result = run("", *options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([reason])


def test_statements_of_facts_count_instead_of_claims(run: Run, pytester: pytest.Pytester) -> None:
    """For each subject as of the event's time; the list says whose word counts."""
    policy = copy_with_ledger(pytester.path / "policies")
    facts = pytester.path / "facts.jsonl"
    facts.write_text(
        '{"controller": "acme", "subject_id": "m-1", "fact": "consent.marketing", '
        '"value": true, "effective_from": "2026-03-01T00:00:00Z"}\n',
        encoding="utf-8",
    )
    tests = """
def campaign(subject):
    use("marketing", subject=subject, controller="acme", role="member",
        facts={"consent.marketing": True})

def test_stated():
    campaign("m-1")

def test_claimed():
    campaign("m-2")
"""
    options = (f"--purposewatch-policy={policy}", "-k", "stated or claimed")

    believed = run(tests, *options)
    believed.assert_outcomes(passed=2, deselected=1)
    believed.stdout.fnmatch_lines(["facts: as the events state them"])
    checked = run(tests, *options, f"--purposewatch-facts={facts}")
    checked.assert_outcomes(passed=1, failed=1, deselected=1)
    checked.stdout.fnmatch_lines(
        [
            "contradicted_claim: use user.contact.email of member *",
            "    of the event: needs `consent.marketing` in the ledger of facts; *",
            "contradicted_claim  use user.contact.email of member *  (1 test, 1 event)",
            "permitted           use user.contact.email of member *  (1 test, 1 event)",
            "facts: from 1 statement",
        ]
    )

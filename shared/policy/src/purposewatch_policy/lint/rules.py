"""Every rule of `policy lint`, in one place."""

from purposewatch_policy.lint.finding import Rule, Severity

_ACCEPT = "If the text really means it, accept the finding in the statement, with the reason."

LOAD_ERROR = Rule(
    "load-error",
    "A file cannot be loaded",
    "Services refuse the files and keep the last good state. The message says what to correct.",
    Severity.ERROR,
)
CONTRADICTION = Rule(
    "contradiction",
    "A prohibition overlaps a permit",
    "The prohibition wins, and events in the overlap are violations graded `ambiguous`. A "
    "prohibition that lies within the permit in every dimension is a plain exception and not "
    f"found, unless it leaves nothing of the permit. Narrow one of the two. {_ACCEPT}",
    Severity.ERROR,
)
IMPOSSIBLE_CONDITION = Rule(
    "impossible-condition",
    "A statement's condition cannot be met by any event",
    "The statement requires more facts than an event may carry, so it never applies. Declare one "
    "fact that stands for several.",
    Severity.ERROR,
)
DUPLICATE_STATEMENT = Rule(
    "duplicate-statement",
    "Two statements say the same",
    "They cover the same flows with the same effect, in whatever words. Remove one, or give it "
    f"the terms that it was meant to have. {_ACCEPT}",
    Severity.WARNING,
)
SHADOWED_STATEMENT = Rule(
    "shadowed-statement",
    "A statement adds nothing to wider ones",
    "Every flow that it covers is covered by others of the same effect, so its restrictions and "
    "conditions never matter: no decision's outcome changes without it. Narrow the wider "
    f"statement, or remove this one. {_ACCEPT}",
    Severity.WARNING,
)
PUBLIC_DISCLOSURE = Rule(
    "public-disclosure",
    "Personal data may go to the public",
    "High risk even where it is declared: what is public cannot be taken back. Narrow the "
    f"recipients or the data, or prohibit it. {_ACCEPT}",
    Severity.WARNING,
    high_risk=True,
)
OTHER_PEOPLES_DATA = Rule(
    "other-peoples-data",
    "Data about persons other than the subject may be disclosed",
    "High risk even where it is declared: those persons never agreed to the policy. Leave such "
    "data categories (`about_others` in the vocabulary) out of what is disclosed, or prohibit "
    f"it. {_ACCEPT}",
    Severity.WARNING,
    high_risk=True,
)
SENSITIVE_WITHOUT_CONDITION = Rule(
    "sensitive-without-condition",
    "Sensitive data are permitted without a condition",
    "No fact has to hold. A warning if the data may leave the controller, else a note. Add a fact "
    f"to `when` or `unless`, or leave the sensitive data categories out. {_ACCEPT}",
    Severity.WARNING,
)
UNVERIFIED_CONDITION = Rule(
    "unverified-condition",
    "A disclosure depends on what its publisher claims",
    "Sensitive data may leave the controller, or any data go to the public, as soon as the event "
    "claims a fact, and nobody checks it. Give the fact `authority: ledger` in the vocabulary, and "
    f"let the system that knows state it. {_ACCEPT}",
    Severity.WARNING,
)
STORAGE_WITHOUT_LIMIT = Rule(
    "storage-without-limit",
    "Data may be stored without a limit of time",
    "Nothing says when they have to be erased, not even after the person has left. State "
    f"`retention_days`, with the limit that the text names. {_ACCEPT}",
    Severity.NOTE,
)
UNUSED_DEFINED_TERM = Rule(
    "unused-defined-term",
    "A defined term that no statement uses",
    "Neither directly nor through another defined term. Remove it, or use it where it was meant.",
    Severity.WARNING,
)
UNUSED_FACT = Rule(
    "unused-fact",
    "A fact that no statement uses",
    "Publishers may state it, but it never matters. Remove it from the vocabulary, or name it in "
    "the `when` or `unless` of the statement that it was declared for.",
    Severity.NOTE,
)
VERSION_GAP = Rule(
    "version-gap",
    "A time without any version in force",
    "Every event of that time is a violation, `policy_not_in_force`. A warning between two "
    "versions, a note after the last one. Let the next version begin when the one before ends.",
    Severity.WARNING,
)
SHADOW_WITHOUT_EFFECT = Rule(
    "shadow-without-effect",
    "What is in shadow mode would change no outcome",
    "Every flow is permitted, prohibited or undeclared as before, so there is nothing to learn "
    "from trying it. Give it the terms that it was meant to have, or remove it.",
    Severity.WARNING,
)
SHADOW_OVERLAP = Rule(
    "shadow-overlap",
    "A version in shadow mode can't go live by one edit",
    "Without `mode: shadow` it would overlap a live version, and services would refuse the files. "
    "Let it state which version it `replaces`, or move one of the dates.",
    Severity.WARNING,
)
UNUSED_ACCEPTANCE = Rule(
    "unused-acceptance",
    "A statement accepts a finding that does not exist",
    "The rule does not exist, or finds nothing in the statement any more. Remove the entry of "
    "`accepted_findings`.",
    Severity.WARNING,
)

RULES = {
    rule.id: rule
    for rule in (
        LOAD_ERROR,
        CONTRADICTION,
        IMPOSSIBLE_CONDITION,
        DUPLICATE_STATEMENT,
        SHADOWED_STATEMENT,
        PUBLIC_DISCLOSURE,
        OTHER_PEOPLES_DATA,
        SENSITIVE_WITHOUT_CONDITION,
        UNVERIFIED_CONDITION,
        STORAGE_WITHOUT_LIMIT,
        UNUSED_DEFINED_TERM,
        UNUSED_FACT,
        VERSION_GAP,
        SHADOW_WITHOUT_EFFECT,
        SHADOW_OVERLAP,
        UNUSED_ACCEPTANCE,
    )
}

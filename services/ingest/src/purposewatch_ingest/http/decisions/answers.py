"""The schemas and an example of decisions, for the OpenAPI document.

They are those of `purposewatch_policy.explanation_as_json`.
"""

from pydantic import BaseModel, ConfigDict, Field

from purposewatch_policy import Action, Dimension, Grade, Kind, Outcome


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")


class FailedDimension(_Answer):
    """A dimension in which the statement does not cover the event."""

    dimension: Dimension
    field: str = Field(description="JSON pointer to what the event states there.")
    expected: list[str] = Field(description="What the statement names.")
    actual: str | None = Field(description="What the event states; null if it states nothing.")


class ChangeOfEvent(_Answer):
    """Another value in one dimension of the event; of the facts, for one fact."""

    dimension: Dimension
    field: str | None = Field(
        description="JSON pointer to the field to change or to add; null for a fact that events do "
        "not state."
    )
    value: str | int = Field(description="The term, the number of days, or the fact.")
    before: str | int | bool | None = Field(
        description="What the event states, of a fact whether it holds; null if nothing."
    )
    holds: bool | None = Field(default=None, description="Whether the fact has to hold.")
    stated_by: str | None = Field(
        default=None, description="Who states the fact, if an event's claim does not count."
    )
    text: str


class ChangedEvent(_Answer):
    """The smallest change of the event that would make it permitted."""

    permitted_by: str = Field(description="The statement that would permit it.")
    clause: str
    changes: list[ChangeOfEvent]


class ChangeOfPolicy(_Answer):
    """One edit of one statement."""

    action: Action
    statement: str
    clause: str
    dimension: Dimension | None
    terms: list[str]
    days: int | None
    text: str


class SmallestChange(_Answer):
    """What would make the data category permitted: a change of the event, or of the policy."""

    event: ChangedEvent | None = Field(description="Null if no change of the event helps.")
    prohibition_in_the_way: str | None
    policy: list[ChangeOfPolicy] | None = Field(description="Null if no statement can be widened.")


class DecidedCategory(_Answer):
    """The decision about one data category, with its reasons."""

    data_category: str
    label: str | None
    outcome: Outcome
    kind: Kind | None
    grade: Grade | None
    distance: int | None
    statement: str | None = Field(description="The deciding statement, or the nearest one.")
    clause: str | None = Field(description="Where it stands in the policy's text.")
    section: str | None
    sentence: str
    failed: list[FailedDimension]
    smallest_change: SmallestChange | None = Field(
        description="Null unless the outcome is a violation while a version is in force."
    )


class Decided(_Answer):
    """The decision about an event: the worst of its data categories'."""

    outcome: Outcome
    kind: Kind | None
    policy_version: str | None = Field(description="Null when no version was in force.")
    policy_digest: str | None
    categories: list[DecidedCategory]
    leave_out: list[str] = Field(
        description="The categories without which the event would be permitted."
    )


class EventDecision(Decided):
    """The decision about one event of a request."""

    index: int = Field(description="Which event of the batch, from 0; 0 for a single event.")


class Decisions(_Answer):
    """The decisions about all events of a request, in their order."""

    decisions: list[EventDecision]


DECISIONS_EXAMPLE = {
    "decisions": [
        {
            "index": 0,
            "outcome": "violation",
            "kind": "undeclared_source",
            "policy_version": "2018-05-25",
            "policy_digest": "6f" * 32,
            "categories": [
                {
                    "data_category": "user.contact.email",
                    "label": "E-mail address",
                    "outcome": "violation",
                    "kind": "undeclared_source",
                    "grade": "omitted",
                    "distance": None,
                    "statement": "member_employees.contact.collect",
                    "clause": "member_employees.1",
                    "section": "Employees of members, partners and sponsors",
                    "sentence": "`member_employee` data in `user.contact.email` was collected; the "
                    "source was not stated, and `member_employees.contact.collect` names "
                    "`employer` as source.",
                    "failed": [
                        {
                            "dimension": "source",
                            "field": "/data/source",
                            "expected": ["employer"],
                            "actual": None,
                        }
                    ],
                    "smallest_change": {
                        "event": {
                            "permitted_by": "member_employees.contact.collect",
                            "clause": "member_employees.1",
                            "changes": [
                                {
                                    "dimension": "source",
                                    "field": "/data/source",
                                    "value": "employer",
                                    "before": None,
                                    "text": "state the source `employer`, in the field "
                                    "`data.source`",
                                }
                            ],
                        },
                        "prohibition_in_the_way": None,
                        "policy": None,
                    },
                }
            ],
            "leave_out": [],
        }
    ]
}

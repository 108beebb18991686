"""The contract between the services: messages, topics and the alphabets of identifiers.

The public interface is what `__all__` names here, in `purposewatch_contract.codec` (decoding and
encoding events and verdicts) and in `purposewatch_contract.submission` (checking what publishers
send). `python -m purposewatch_contract` writes the JSON Schemas of the messages.
"""

from purposewatch_contract.dead_letter import (
    DEAD_LETTER_SCHEMA,
    DeadLetter,
    ErrorClass,
    Header,
)
from purposewatch_contract.dead_letter_action import (
    REPLAY_HEADER,
    DeadLetterAction,
    Disposition,
)
from purposewatch_contract.event import (
    CANONICAL_SCHEMA,
    EVENT_TYPE,
    MAX_ORIGIN,
    SUBMITTED_SCHEMA,
    CanonicalData,
    CanonicalEvent,
    SubmittedData,
    SubmittedEvent,
)
from purposewatch_contract.schema import (
    EXAMPLE_DIR,
    MESSAGES,
    SCHEMA_DIR,
    read_example,
    render_schema,
)
from purposewatch_contract.terms import (
    DIGEST_PATTERN,
    IDENTIFIER_PATTERN,
    ORIGIN_PATTERN,
    PSEUDONYM_PATTERN,
    PUBLISHER_PATTERN,
    SOURCE_PATTERN,
    TRACEPARENT_PATTERN,
    Digest,
    Identifier,
    Pseudonym,
    Publisher,
    Source,
    TraceParent,
    is_traceparent,
)
from purposewatch_contract.topics import (
    DEAD_LETTERS,
    DISPOSITIONS,
    EVENTS,
    RAW,
    VERDICTS,
    Topic,
    TopicName,
    declared_topic,
    declared_topics,
    topic_name,
)
from purposewatch_contract.verdict import (
    VERDICT_SCHEMA,
    PolicyReference,
    Position,
    Verdict,
)

__all__ = [
    "CANONICAL_SCHEMA",
    "DEAD_LETTERS",
    "DEAD_LETTER_SCHEMA",
    "DIGEST_PATTERN",
    "DISPOSITIONS",
    "EVENTS",
    "EVENT_TYPE",
    "EXAMPLE_DIR",
    "IDENTIFIER_PATTERN",
    "MAX_ORIGIN",
    "MESSAGES",
    "ORIGIN_PATTERN",
    "PSEUDONYM_PATTERN",
    "PUBLISHER_PATTERN",
    "RAW",
    "REPLAY_HEADER",
    "SCHEMA_DIR",
    "SOURCE_PATTERN",
    "SUBMITTED_SCHEMA",
    "TRACEPARENT_PATTERN",
    "VERDICTS",
    "VERDICT_SCHEMA",
    "CanonicalData",
    "CanonicalEvent",
    "DeadLetter",
    "DeadLetterAction",
    "Digest",
    "Disposition",
    "ErrorClass",
    "Header",
    "Identifier",
    "PolicyReference",
    "Position",
    "Pseudonym",
    "Publisher",
    "Source",
    "SubmittedData",
    "SubmittedEvent",
    "Topic",
    "TopicName",
    "TraceParent",
    "Verdict",
    "declared_topic",
    "declared_topics",
    "is_traceparent",
    "read_example",
    "render_schema",
    "topic_name",
]

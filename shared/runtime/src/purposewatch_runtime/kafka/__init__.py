"""Kafka clients: connections, topics, an at-least-once consumer, an acknowledged producer."""

from purposewatch_runtime.kafka.access import (
    KafkaAccess,
    KafkaAccessError,
    principal,
    refused,
    refused_connection,
)
from purposewatch_runtime.kafka.aiokafka_internals import positions
from purposewatch_runtime.kafka.assignment import Resume
from purposewatch_runtime.kafka.asyncapi import asyncapi_routes
from purposewatch_runtime.kafka.connection import (
    MAX_BATCH_BYTES,
    MAX_REQUEST_BYTES,
    build_admin,
    build_follower,
    build_observer,
    build_producer,
    build_reader,
)
from purposewatch_runtime.kafka.consumer import BatchConsumer, Handler, StopConsumingError
from purposewatch_runtime.kafka.dead_letter_limit import DeadLetterLimit, DeadLetterPolicy
from purposewatch_runtime.kafka.dead_letters import (
    dead_letter_of,
    log_dead_letters,
    written_at,
)
from purposewatch_runtime.kafka.log_view import LogView
from purposewatch_runtime.kafka.polling import PollCallbacks, Poller
from purposewatch_runtime.kafka.producer import (
    AcknowledgedProducer,
    NoSuchPartitionError,
    OutgoingRecord,
    Tombstone,
)
from purposewatch_runtime.kafka.provision import TopicProvisioner
from purposewatch_runtime.kafka.record_signing import RecordSigning
from purposewatch_runtime.kafka.rejected import Record, RejectedRecord

__all__ = [
    "MAX_BATCH_BYTES",
    "MAX_REQUEST_BYTES",
    "AcknowledgedProducer",
    "BatchConsumer",
    "DeadLetterLimit",
    "DeadLetterPolicy",
    "Handler",
    "KafkaAccess",
    "KafkaAccessError",
    "LogView",
    "NoSuchPartitionError",
    "OutgoingRecord",
    "PollCallbacks",
    "Poller",
    "Record",
    "RecordSigning",
    "RejectedRecord",
    "Resume",
    "StopConsumingError",
    "Tombstone",
    "TopicProvisioner",
    "asyncapi_routes",
    "build_admin",
    "build_follower",
    "build_observer",
    "build_producer",
    "build_reader",
    "dead_letter_of",
    "log_dead_letters",
    "positions",
    "principal",
    "refused",
    "refused_connection",
    "written_at",
]

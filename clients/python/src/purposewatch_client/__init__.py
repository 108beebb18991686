"""Publishes what a service does with personal data to Purposewatch.

```
import purposewatch_client as purposewatch

purposewatch.configure(source="/portal", ingest_url="https://…", key="pwk_…", controller="acme")
with purposewatch.access(subject=4711, role="member", operation="use", purpose="…") as access:
    access.add("user.contact.email")
```
"""

from purposewatch_client.access import Access, current_access
from purposewatch_client.api import (
    access,
    close,
    configure,
    fact,
    flush,
    get_client,
    record,
    record_gap,
    using,
)
from purposewatch_client.client import Client
from purposewatch_client.context import current_defaults, defaults
from purposewatch_client.errors import (
    ClientError,
    DecisionError,
    EventError,
    NotRecordedError,
    SettingsError,
)
from purposewatch_client.fields import AccessFields, EventFields, FactDetails, Fields, GapDetails
from purposewatch_client.gap_counter import GapKind, gap_counts
from purposewatch_client.observed import observe
from purposewatch_client.sending import sending
from purposewatch_client.settings import ClientSettings
from purposewatch_client.sink import MemorySink, Sink
from purposewatch_client.stats import Health, Stats
from purposewatch_client.tags import (
    Category,
    DataSubject,
    categories_in,
    categories_of,
    categories_sent,
    tag,
)

__all__ = [
    "Access",
    "AccessFields",
    "Category",
    "Client",
    "ClientError",
    "ClientSettings",
    "DataSubject",
    "DecisionError",
    "EventError",
    "EventFields",
    "FactDetails",
    "Fields",
    "GapDetails",
    "GapKind",
    "Health",
    "MemorySink",
    "NotRecordedError",
    "SettingsError",
    "Sink",
    "Stats",
    "access",
    "categories_in",
    "categories_of",
    "categories_sent",
    "close",
    "configure",
    "current_access",
    "current_defaults",
    "defaults",
    "fact",
    "flush",
    "gap_counts",
    "get_client",
    "observe",
    "record",
    "record_gap",
    "sending",
    "tag",
    "using",
]

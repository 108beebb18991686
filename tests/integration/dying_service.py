"""A stand-in for a service: the real one, but a record with the marker in it ends the process.

Run as `python -m tests.integration.dying_service` with `DYING_SERVICE=auditor` (or another). It
ends as by a crash in native code: at once, without any handler or clean-up.
"""

import importlib
import os
from collections.abc import Sequence
from typing import Any

from purposewatch_runtime.kafka import BatchConsumer, Handler, Record, RejectedRecord
from purposewatch_runtime.kafka import consumer as consumer_module

MARKER = b"ends-the-process"
STATUS = 139


def main() -> None:
    """Run the service with a handler that dies where the real one would parse."""
    original = BatchConsumer.__init__

    def init(self: BatchConsumer, *arguments: Any, handle: Handler, **options: Any) -> None:
        async def dying(records: Sequence[Record]) -> None:
            for record in records:
                if not isinstance(record, RejectedRecord) and MARKER in (record.value or b""):
                    os._exit(STATUS)
            await handle(records)

        original(self, *arguments, handle=dying, **options)

    consumer_module.BatchConsumer.__init__ = init  # type: ignore[method-assign]
    service = os.environ["DYING_SERVICE"]
    importlib.import_module(f"purposewatch_{service}.__main__").main()


if __name__ == "__main__":
    main()

"""What the client raises; each error says what the caller has to do."""

__all__ = ["ClientError", "DecisionError", "EventError", "NotRecordedError", "SettingsError"]


class ClientError(Exception):
    """The base of all errors of the client."""


class SettingsError(ClientError, ValueError):
    """A setting is missing or wrong: correct it."""


class EventError(ClientError, ValueError):
    """A field of an event is missing or has the wrong form: correct the call.

    The message names the field and the rule, and never quotes a value.
    """


class NotRecordedError(ClientError):
    """The event is not in the spool, and will not be sent."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class DecisionError(ClientError):
    """Ingest gave no decision. `status` is its answer's, or None without an answer."""

    def __init__(self, detail: str, status: int | None = None) -> None:
        super().__init__(detail)
        self.status = status

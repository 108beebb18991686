"""Why an event is refused, safe to show to anyone."""

from dataclasses import dataclass

from purposewatch_contract.dead_letter import ErrorClass


@dataclass(frozen=True, slots=True)
class FieldError:
    """One fault of an event. Never quotes a value of it."""

    field: str
    """JSON pointer to the faulty field; empty for the event as a whole."""
    detail: str
    """What is wrong and what to do."""

    def __str__(self) -> str:
        """Render as one clause of a sentence."""
        return f"`{self.field}` {self.detail}" if self.field else self.detail


class RefusedError(Exception):
    """The event can't be admitted as it stands: reject it, do not retry."""

    def __init__(self, error_class: ErrorClass, *errors: FieldError) -> None:
        super().__init__("; ".join(str(error) for error in errors))
        self.error_class = error_class
        self.errors = errors

"""Where the picture goes: a live screen on a terminal, a line now and then elsewhere."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from purposewatch_cli.demo.account import Account
from purposewatch_cli.demo.view import Rates, Scene, picture, plain_line

_LINE_EVERY_SECONDS = 3.0


class Screen:
    """Shows accounts as they come."""

    def __init__(self, out: Console, title: str, begun: float) -> None:
        self._out = out
        self._title = title
        self._begun = begun
        self._rates = Rates()
        self._line_due = 0.0
        self._live = Live(console=out, auto_refresh=False, screen=True) if out.is_terminal else None

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.__exit__(kind, error, trace)

    def show(self, phase: str, account: Account) -> None:
        """Show one account."""
        self._rates.add(account)
        now = time.monotonic()
        scene = Scene(self._title, phase, now - self._begun, self._rates)
        if self._live is not None:
            self._live.update(picture(scene, account, self._out), refresh=True)
        elif now >= self._line_due:
            self._line_due = now + _LINE_EVERY_SECONDS
            self._out.print(Text(plain_line(scene, account)), soft_wrap=True)

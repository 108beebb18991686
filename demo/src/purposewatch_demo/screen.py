"""Where the picture goes: a live screen on a terminal, a line now and then elsewhere."""

import io
import re
import time
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from purposewatch_cli.terminal import printable
from purposewatch_demo.account import Account, SignIn
from purposewatch_demo.view import Rates, Scene, picture, plain_line, plain_sign_in

_LINE_EVERY_SECONDS = 3.0
_RECORDED = (120, 46)
"""Columns and lines of a recorded picture."""

_FONT_FACE = re.compile(r"@font-face\s*\{[^}]*\}\s*")


class Screen:
    """Shows accounts as they come."""

    def __init__(
        self,
        out: Console,
        title: str,
        begun: float,
        *,
        sign_in: SignIn | None = None,
        record: Path | None = None,
    ) -> None:
        """With `record`, the last picture before feeding ended is written there, as SVG."""
        self._out = out
        self._title = title
        self._begun = begun
        self._sign_in = sign_in
        self._rates = Rates()
        self._line_due = 0.0
        self._record = record
        self._live = Live(console=out, auto_refresh=False, screen=True) if out.is_terminal else None

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.__enter__()
        elif self._sign_in is not None:
            self._out.print(Text(printable(plain_sign_in(self._sign_in))), soft_wrap=True)
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
        scene = Scene(self._title, phase, now - self._begun, self._rates, self._sign_in)
        if self._record is not None and phase == "feeding":
            self._record.write_text(_as_svg(scene, account), encoding="utf-8")
        if self._live is not None:
            self._live.update(picture(scene, account, self._out), refresh=True)
        elif now >= self._line_due:
            self._line_due = now + _LINE_EVERY_SECONDS
            self._out.print(Text(plain_line(scene, account)), soft_wrap=True)


def _as_svg(scene: Scene, account: Account) -> str:
    """The picture as a drawing that fetches nothing and gives no password away."""
    scene = replace(scene, sign_in=None)
    width, height = _RECORDED
    paper = Console(
        file=io.StringIO(),
        record=True,
        width=width,
        height=height,
        force_terminal=True,
        color_system="truecolor",
        legacy_windows=False,
    )
    paper.print(picture(scene, account, paper), height=height)
    drawing = paper.export_svg(title="purposewatch demo", unique_id="demo")
    return _FONT_FACE.sub("", drawing).replace("Fira Code,", "ui-monospace, Menlo, Consolas,")

"""Prints the measurements as Markdown tables for the documentation."""

from collections.abc import Iterable, Sequence

from bench.core.measure import Timing
from bench.core.scaling import Size


def print_comparison(timings: Sequence[Timing], events: int) -> None:
    """Print the engines next to the first of them."""
    core = timings[0]
    print(f"{events} events, half of them permitted; microseconds of processor time per event\n")
    _print_table(
        (
            "engine",
            "all",
            "permitted",
            "violating",
            "input ready",
            "events/s",
            "core = 1",
        ),
        (
            (
                each.name,
                f"{each.all:.1f}",
                f"{each.permitted:.1f}",
                f"{each.violating:.1f}",
                f"{each.ready:.1f}",
                f"{each.per_second:,.0f}",
                f"{each.all / core.all:.1f}",
            )
            for each in timings
        ),
    )


def print_scaling(sizes: Iterable[Size]) -> None:
    """Print what the core takes by length of the policy."""
    print("\nThe core by length of the policy; microseconds per event\n")
    _print_table(
        (
            "statements",
            "permitted",
            "violating",
            "met before",
            "p50",
            "p99",
            "compile (s)",
            "memory (MiB)",
        ),
        (
            (
                f"{each.statements:,}",
                f"{each.permitted:.1f}",
                f"{each.violating:.1f}",
                f"{each.met_before:.1f}",
                f"{each.p50:.1f}",
                f"{each.p99:.1f}",
                f"{each.compile_seconds:.2f}",
                f"{each.mebibytes:.1f}",
            )
            for each in sizes
        ),
    )


def _print_table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    cells = [head, *rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    cells.insert(1, tuple("-" * width for width in widths))
    for row in cells:
        padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print(f"| {' | '.join(padded)} |")

"""The queries that are measured on the page."""

import itertools
import random
from collections.abc import Iterator
from datetime import timedelta

from bench.page.filling import DIMENSIONS, SEED, SINGLES, Filling
from bench.page.flows import UNTIL
from purposewatch_reporter.findings.queries.cursor import Cursor


def queries(filling: Filling) -> Iterator[tuple[str, dict[str, str]]]:  # noqa: C901 - one list of questions
    """Every filter alone, pairs of all dimensions, triples, deep pages, orders and ranges."""
    chance = random.Random(SEED)  # noqa: S311 - the same every time
    deep = {
        "first": {},
        "middle": {"after": Cursor(0, filling.middle).written()},
        "late": {"after": Cursor(0, filling.late).written()},
        "back": {"before": Cursor(0, filling.late).written()},
    }

    def picked(name: str) -> list[str]:
        values = filling.values[name]
        return list(dict.fromkeys((values[0], values[-1])))

    for place, cursor in deep.items():
        yield f"no filter, {place}", dict(cursor)
        for name in (*DIMENSIONS, *SINGLES):
            for value in picked(name):
                yield f"single, {place}", {name: value, **cursor}
    for one in ({"event_id": filling.event_id}, {"subject": filling.subject}):
        yield "single, first", one
        yield "with a kind", {**one, "kind": filling.values["kind"][0]}
    pairs = list(itertools.combinations((*DIMENSIONS, *SINGLES), 2))
    for names in [*pairs, *(chance.sample((*DIMENSIONS, *SINGLES), 3) for _ in range(100))]:
        place = chance.choice(list(deep))
        chosen = {name: chance.choice(picked(name)) for name in names}
        yield f"{'pair' if len(names) == 2 else 'triple'}, {place}", {**chosen, **deep[place]}
    for order in ("oldest", "severity"):
        yield f"order {order}", {"order": order}
        for name in (*DIMENSIONS, *SINGLES):
            for value in picked(name):
                yield f"order {order}", {"order": order, name: value}
    for days in (1, 30, 150):
        since = (UNTIL - timedelta(days=days)).replace(tzinfo=None).isoformat()
        until = (UNTIL - timedelta(days=days - 1)).replace(tzinfo=None).isoformat()
        for name in DIMENSIONS:
            for value in picked(name):
                yield "range", {"since": since, "until": until, name: value}

"""The map of a record: whose data went where for what, as a picture and as a table.

It stays readable however many flows there are: it draws the most frequent ones, by groups where
there are too many terms, and says what it leaves out.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from purposewatch_policy import Dimension
from purposewatch_policy.flow_map import Box, FlowMap, Strand
from purposewatch_policy.vocabulary import FIRST_PARTY, Taxonomy
from purposewatch_reporter.processing_record.record import ProcessingRecord, StrandKey, Tally
from purposewatch_reporter.processing_record.words import RecordWords, shown_number

MAX_ROLES = 8
MAX_PURPOSES = 14
MAX_RECIPIENTS = 14
"""Boxes of a column; what is beyond shares one more."""
MAX_PATHS = 80
"""Paths from a role to a recipient; the rest is said."""

_NARROWEST, _WIDEST = 1.5, 24.0


@dataclass(frozen=True, slots=True)
class MapPath:
    """A path of the picture, which is one line of the table."""

    role: str
    purpose: str
    recipient: str
    tally: Tally
    exact: StrandKey | None
    """The terms, where each of its boxes stands for a single one."""

    @property
    def against(self) -> int:
        """How many events were not permitted, or could not be judged."""
        return self.tally.violations + self.tally.unknown

    @property
    def permitted(self) -> int:
        """How many events were permitted."""
        return self.tally.events - self.against


@dataclass(frozen=True, slots=True)
class RecordMap:
    """The picture, and what it shows as a table."""

    drawn: FlowMap
    paths: Sequence[MapPath]
    """The most frequent first."""
    rest: str
    """Says how much is not drawn; empty where nothing is left out."""


def record_map(record: ProcessingRecord, words: RecordWords, *, heading: str) -> RecordMap:
    """Return the map of a record."""
    return _Map(record, words).map(heading)


class _Column:
    """The boxes of a column: terms, or what lies above them, and one for all that is beyond."""

    def __init__(self, taxonomy: Taxonomy | None, events: Mapping[str, int], most: int) -> None:
        self._taxonomy = taxonomy
        self._group_of = _grouped(taxonomy, events, most)
        sums: Counter[str] = Counter()
        for term, count in events.items():
            sums[self._group_of[term]] += count
        self.kept = sorted(sums, key=lambda group: (-sums[group], group))[:most]
        self.others = len(sums) - len(self.kept)
        self.events = Counter({group: sums[group] for group in self.kept})
        self.events[""] = sums.total() - self.events.total()
        self._sizes = Counter(self._group_of.values())

    def group(self, term: str) -> str:
        """Return the group of a term; of one beyond, an empty text."""
        group = self._group_of[term]
        return group if group in self.kept else ""

    def is_alone(self, group: str) -> bool:
        """Whether a group consists of the term that it is named after."""
        return self._sizes[group] == 1 and group in self._group_of

    def in_order(self, groups: Iterable[str]) -> list[str]:
        """Return groups in the order of the vocabulary; what is beyond comes last."""
        order = {term: at for at, term in enumerate(self._taxonomy or ())}
        return sorted(groups, key=lambda group: (not group, order.get(group, len(order)), group))


def _grouped(taxonomy: Taxonomy | None, terms: Iterable[str], most: int) -> dict[str, str]:
    """Map each term to itself, or as far up as it takes for few enough groups."""
    lineages = {
        term: taxonomy.lineage(term)[::-1] if taxonomy and term in taxonomy else (term,)
        for term in terms
    }
    for depth in range(max(map(len, lineages.values()), default=1), 1, -1):
        groups = {term: lineage[:depth][-1] for term, lineage in lineages.items()}
        if len(set(groups.values())) <= most:
            return groups
    return {term: lineage[0] for term, lineage in lineages.items()}


class _Map:
    def __init__(self, record: ProcessingRecord, words: RecordWords) -> None:
        self._record = record
        self._words = words
        self._vocabulary = record.compiled.vocabulary if record.compiled else None
        self._roles = self._column(Dimension.ROLE, MAX_ROLES)
        self._purposes = self._column(Dimension.PURPOSE, MAX_PURPOSES)
        self._recipients = self._column(Dimension.RECIPIENT, MAX_RECIPIENTS)

    def map(self, heading: str) -> RecordMap:
        found: dict[StrandKey, Tally] = {}
        for key, tally in self._record.strands.items():
            groups = StrandKey(
                self._roles.group(key.role),
                self._purposes.group(key.purpose),
                self._recipients.group(key.recipient),
            )
            found.setdefault(groups, Tally()).add(tally)
        frequent = sorted(found, key=lambda groups: (-found[groups].events, groups))
        drawn, left_out = frequent[:MAX_PATHS], frequent[MAX_PATHS:]
        paths = {groups: self._path(groups, found[groups]) for groups in drawn}
        rest = self._words.text(
            "map_words.rest",
            count=shown_number(len(left_out)),
            events=shown_number(sum(found[groups].events for groups in left_out)),
        )
        return RecordMap(self._draw(paths, heading), list(paths.values()), rest if left_out else "")

    def _column(self, dimension: Dimension, most: int) -> _Column:
        events: Counter[str] = Counter()
        for key, tally in self._record.strands.items():
            events[getattr(key, dimension)] += tally.events
        taxonomy = self._vocabulary.taxonomy(dimension) if self._vocabulary else None
        return _Column(taxonomy, events, most)

    def _path(self, groups: StrandKey, tally: Tally) -> MapPath:
        columns = (self._roles, self._purposes, self._recipients)
        is_exact = all(
            column.is_alone(group) for column, group in zip(columns, groups, strict=True)
        )
        return MapPath(
            self._label(Dimension.ROLE, self._roles, groups.role),
            self._label(Dimension.PURPOSE, self._purposes, groups.purpose),
            self._label(Dimension.RECIPIENT, self._recipients, groups.recipient),
            tally,
            groups if is_exact else None,
        )

    def _label(self, dimension: Dimension, column: _Column, group: str) -> str:
        if not group:
            return self._words.text("map_words.others", count=shown_number(column.others))
        return self._words.label(dimension, group)

    def _draw(self, paths: Mapping[StrandKey, MapPath], heading: str) -> FlowMap:
        text = self._words.text
        roles = self._roles.in_order({each.role for each in paths})
        recipients = self._recipients.in_order({each.recipient for each in paths})
        recipients.sort(key=self._is_outside)
        purposes = self._purposes_in_order(paths, recipients)
        return FlowMap(
            language=self._words.language,
            title=f"{text('map')}: {heading}",
            heading=heading,
            note=self._words.counted("map_words.events", self._record.total.events),
            column_headings=(
                text("map_words.whose"),
                text("map_words.what_for"),
                text("map_words.to_whom"),
            ),
            whose=[self._box(Dimension.ROLE, self._roles, each) for each in roles],
            purposes=[self._box(Dimension.PURPOSE, self._purposes, each) for each in purposes],
            recipients=[self._recipient(each) for each in recipients],
            strands=self._drawn_strands(paths, roles, purposes, recipients),
            legend=text("map_words.legend"),
            outside_heading=text("map_words.outside"),
            inside=sum(not self._is_outside(each) for each in recipients),
        )

    def _purposes_in_order(
        self, paths: Iterable[StrandKey], recipients: Sequence[str]
    ) -> list[str]:
        """Order purposes by how far down they lead, so that few strands cross."""
        reached: dict[str, list[int]] = {}
        for each in paths:
            reached.setdefault(each.purpose, []).append(recipients.index(each.recipient))
        return sorted(
            self._purposes.in_order(reached),
            key=lambda purpose: sum(reached[purpose]) / len(reached[purpose]),
        )

    def _box(self, dimension: Dimension, column: _Column, group: str) -> Box:
        events = self._words.counted("map_words.events", column.events[group])
        return Box(self._label(dimension, column, group), (events,))

    def _recipient(self, group: str) -> Box:
        box = self._box(Dimension.RECIPIENT, self._recipients, group)
        if self._vocabulary is None or group not in self._vocabulary.recipients:
            return box
        return replace(box, is_public=self._vocabulary.recipients.is_public(group))

    def _is_outside(self, recipient: str) -> bool:
        return recipient.partition(".")[0] != FIRST_PARTY

    def _drawn_strands(
        self,
        paths: Mapping[StrandKey, MapPath],
        roles: Sequence[str],
        purposes: Sequence[str],
        recipients: Sequence[str],
    ) -> list[Strand]:
        most = max((each.tally.events for each in paths.values()), default=1)
        places = {
            (
                roles.index(each.role),
                purposes.index(each.purpose),
                recipients.index(each.recipient),
            ): path
            for each, path in paths.items()
        }
        strands = []
        for place in sorted(places):
            path = places[place]
            for events, is_against in ((path.permitted, False), (path.against, True)):
                if events:
                    strands.append(
                        Strand(
                            *place,
                            width=_NARROWEST + (_WIDEST - _NARROWEST) * math.sqrt(events / most),
                            colour=place[0] if len(roles) > 1 else place[1],
                            title=self._title(path, events, is_against=is_against),
                            is_dashed=is_against,
                            is_alarming=is_against,
                        )
                    )
        return strands

    def _title(self, path: MapPath, events: int, *, is_against: bool) -> str:
        key = "map_words.not_permitted" if is_against else "map_words.permitted"
        return self._words.text(
            "map_words.strand",
            role=path.role,
            purpose=path.purpose,
            recipient=path.recipient,
            events=self._words.text(key, count=shown_number(events)),
        )

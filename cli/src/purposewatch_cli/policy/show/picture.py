"""The picture of a policy: a strand is as thick as many kinds of data go along it."""

import math

from purposewatch_cli.policy.show.flows import Ends, Flows, Strand, flows
from purposewatch_cli.policy.show.words import Wording
from purposewatch_policy.flow_map import Box, FlowMap, draw
from purposewatch_policy.flow_map import Strand as DrawnStrand

_MANY = 3
"""So many recipients of one kind are named by their kind."""


def as_svg(wording: Wording) -> str:
    """Return the picture of a policy."""
    return draw(_Picture(wording, flows(wording.compiled)).flow_map())


class _Picture:
    def __init__(self, wording: Wording, shown: Flows) -> None:
        self._wording = wording
        self._shown = shown
        self._vocabulary = wording.compiled.vocabulary
        self._by_role = len({ends.role for ends in shown.strands}) > 1

    def flow_map(self) -> FlowMap:
        words, shown = self._wording.words, self._shown
        outside = self._wording.compiled.outside
        return FlowMap(
            language=self._wording.language,
            title=f"{words('picture')}: {self._wording.title()}",
            heading=self._wording.title(),
            note=self._wording.edition(),
            column_headings=(words("whose"), words("what_for"), words("to_whom")),
            whose=[self._role(number) for number in range(len(shown.roles))],
            purposes=[self._group(number) for number in range(len(shown.groups))],
            recipients=[self._recipient(number) for number in range(len(shown.recipients))],
            strands=[self._strand(ends, strand) for ends, strand in shown.strands.items()],
            legend=words("strands"),
            outside_heading=words("outside"),
            inside=sum(terms[0] not in outside for terms in shown.recipients),
        )

    def _role(self, number: int) -> Box:
        speaks = any(ends.role == number for ends in self._shown.strands)
        notes = () if speaks else (self._wording.words("no_statement"),)
        return Box(self._role_label(number), notes)

    def _group(self, number: int) -> Box:
        strands = self._shown.strands.items()
        purposes = {
            purpose
            for ends, strand in strands
            if ends.group == number
            for purpose in strand.purposes
        }
        is_itself = purposes == {self._shown.groups[number]}
        notes = () if is_itself else (self._wording.purposes(len(purposes)),)
        return Box(self._group_label(number), notes)

    def _recipient(self, number: int) -> Box:
        strands = self._shown.strands.items()
        categories = {
            category
            for ends, strand in strands
            if ends.recipient == number
            for category in strand.categories
        }
        words = self._wording.words
        note = self._wording.categories(len(categories))
        if sensitive := sum(map(self._vocabulary.data_categories.is_sensitive, categories)):
            note += words("joint") + words("sensitive", count=sensitive)
        is_public = any(map(self._vocabulary.recipients.is_public, self._shown.recipients[number]))
        return Box(self._recipients_label(number), (note,), is_public)

    def _role_label(self, number: int) -> str:
        return self._wording.branches(self._shown.roles[number], self._vocabulary.roles)

    def _group_label(self, number: int) -> str:
        group = self._shown.groups[number]
        return self._vocabulary.purposes.label(group, self._wording.language)

    def _recipients_label(self, number: int) -> str:
        """Name recipients; many of one kind by that kind."""
        taxonomy, language = self._vocabulary.recipients, self._wording.language
        terms = self._shown.recipients[number]
        parents = [taxonomy[term].parent for term in terms]
        names: dict[str, None] = {}
        for term, parent in zip(terms, parents, strict=True):
            alike = parents.count(parent)
            if parent is not None and alike >= _MANY:
                label = taxonomy.label(parent, language)
                names[self._wording.words("kinds", label=label, count=alike)] = None
            else:
                names[taxonomy.label(term, language)] = None
        return self._wording.words("joint").join(names)

    def _strand(self, ends: Ends, strand: Strand) -> DrawnStrand:
        names = (
            self._role_label(ends.role),
            self._group_label(ends.group),
            self._recipients_label(ends.recipient),
        )
        count = self._wording.categories(len(strand.categories))
        return DrawnStrand(
            ends.role,
            ends.group,
            ends.recipient,
            width=1.5 + 1.1 * math.sqrt(len(strand.categories)),
            colour=ends.role if self._by_role else ends.group,
            title=f"{' → '.join(names)}: {count}",
            is_dashed=strand.conditional,
        )

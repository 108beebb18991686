"""The picture of flows, apart from where what it shows comes from."""

import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from purposewatch_policy.flow_map import Box, FlowMap, Strand, draw, themed_style

SVG = "{http://www.w3.org/2000/svg}"
MAP = FlowMap(
    language="en",
    title="What goes where",
    heading="A library",
    note="in March",
    column_headings=("Whose data", "For what", "To whom"),
    whose=[Box("Reader"), Box("Visitor", ("no statement",))],
    purposes=[Box("Lending")],
    recipients=[Box("The library"), Box("The public", ("2 events",), is_public=True)],
    strands=[
        Strand(0, 0, 0, width=12.5, colour=0, title="Reader, lending"),
        Strand(0, 0, 1, width=2, colour=9, title="not permitted", is_dashed=True),
        Strand(0, 0, 1, width=2, colour=1, title="against", is_alarming=True),
    ],
    legend="thicker: more events",
    outside_heading="Outside",
    inside=1,
)


def test_strands_have_width_colour_and_words() -> None:
    """A strand beyond the colours begins again; one that alarms has a colour of its own."""
    root = ET.fromstring(draw(MAP))  # noqa: S314 - our own
    strands = root.findall(f"{SVG}g")
    assert [each.attrib["class"] for each in strands] == [
        "strand s0",
        "strand s1 if",
        "strand against",
    ]
    assert [each.attrib["stroke-width"] for each in strands] == ["12.5", "2.0", "2.0"]
    assert [each.findtext(f"{SVG}title") for each in strands] == [
        "Reader, lending",
        "not permitted",
        "against",
    ]


def test_strands_do_not_cover_each_other_at_a_box() -> None:
    """Each begins below the one before it, by the width of both."""
    root = ET.fromstring(draw(MAP))  # noqa: S314 - our own
    starts = []
    for strand in root.findall(f"{SVG}g"):
        path = strand.find(f"{SVG}path")
        assert path is not None
        starts.append(float(path.attrib["d"].split("C")[0].split()[1]))
    assert starts[1] - starts[0] == pytest.approx(12.5 / 2 + 2 + 2 / 2, abs=0.1)
    assert starts[2] - starts[1] == pytest.approx(2 + 2, abs=0.1)


def test_the_heading_of_what_is_outside_needs_something_inside() -> None:
    """Where all recipients are of one kind, nothing divides them."""
    assert ">Outside<" in draw(MAP)
    assert ">Outside<" not in draw(replace(MAP, inside=0))
    assert ">Outside<" not in draw(replace(MAP, inside=2))


def test_a_picture_within_a_page_takes_its_style_from_the_page() -> None:
    """Content security policies allow no style of its own, and the page chooses the colours."""
    alone, within = draw(MAP), draw(MAP, is_styled=False, name="map-title")
    assert "<style>" in alone
    assert "<style>" not in within
    assert '<title id="map-title">' in within
    assert 'aria-labelledby="map-title"' in within
    used = {name for names in re.findall(r'class="([^"]*)"', within) for name in names.split()}
    style = themed_style(".flow-map")
    assert all(re.search(rf"\.flow-map \.{name}[ ,{{]", style) for name in used)
    assert all(line.startswith(".flow-map ") for line in style.splitlines())


def test_every_colour_is_there_in_light_and_in_dark() -> None:
    """The picture that stands alone repeats each colour for dark pages."""
    light, _, dark = draw(MAP).partition("prefers-color-scheme:dark")
    light, dark = light.partition("<style>")[2], dark.partition("</style>")[0]
    coloured = re.compile(r"([.a-z0-9,]+)\{(fill|stroke):#")
    assert len(coloured.findall(dark)) >= 16
    assert coloured.findall(light) == coloured.findall(dark)

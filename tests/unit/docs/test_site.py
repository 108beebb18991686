"""The check of the documentation site finds what a reader would stumble over."""

from pathlib import Path

import pytest

from docs.site import faults


def site(directory: Path, **bodies: str) -> Path:
    """A site with these pages."""
    for name, body in bodies.items():
        (directory / f"{name}.html").write_text(f"<html><body>{body}</body></html>")
    return directory


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ('<script src="https://cdn.example/x.js"></script>', "from another host"),
        ('<link rel="stylesheet" href="//fonts.example/x.css">', "from another host"),
        ('<img src="missing.png">', "loads `missing.png`, which does not exist"),
        ('<a href="missing.html">x</a>', "links to `missing.html`, which does not exist"),
        ('<a href="#missing">x</a>', "links to `#missing`, which has no such section"),
    ],
)
def test_a_faulty_page_is_named(tmp_path: Path, body: str, fault: str) -> None:
    """With what it refers to."""
    (found,) = faults(site(tmp_path, index=body))
    assert found.startswith("index.html ")
    assert fault in found


def test_a_page_three_clicks_away_is_named(tmp_path: Path) -> None:
    """A newcomer would not find it."""
    pages = site(
        tmp_path,
        index='<a href="one.html">1</a>',
        one='<a href="two.html#here">2</a>',
        two='<p id="here"><a href="three.html">3</a>',
        three="far",
    )
    assert list(faults(pages)) == ["three.html is more than 2 clicks from the first page"]


def test_links_to_other_hosts_and_embedded_pictures_are_fine(tmp_path: Path) -> None:
    """They load nothing."""
    body = '<a href="https://kafka.apache.org">k</a><img src="data:image/png;base64,AA==">'
    assert list(faults(site(tmp_path, index=body))) == []

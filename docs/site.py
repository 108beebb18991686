"""Build the documentation site, and fail on a dead link or on anything from another host.

The pages keep their places in the repository, so that a link is right on the site and in the
repository alike. `zensical.toml` says what the site looks like.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "build" / "site" / "pages"
SITE = ROOT / "build" / "site" / "html"
TOP = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "LICENSE")
LOADED = {"audio", "embed", "iframe", "img", "link", "script", "source", "video"}
"""Elements whose address a browser fetches by itself."""
MAX_CLICKS = 2

_LINK = re.compile(r"\]\(([^)#]+)[^)]*\)")


def assemble() -> None:
    """Copy the pages, and the files that they link to, under the paths of the repository."""
    shutil.rmtree(PAGES, ignore_errors=True)
    for path in [*(ROOT / name for name in TOP), *(ROOT / "docs").rglob("*")]:
        if path.is_file() and path.suffix not in {".py", ".pyc"}:
            _copy(path)
            if path.suffix == ".md":
                for linked in _linked(path):
                    _copy(linked)


def _linked(page: Path) -> Iterator[Path]:
    for link in _LINK.findall(page.read_text(encoding="utf-8")):
        target = (page.parent / link).resolve()
        if target.is_file() and target.is_relative_to(ROOT):
            yield target


def _copy(path: Path) -> None:
    target = PAGES / path.relative_to(ROOT)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, target)


class Page(HTMLParser):
    """The links and the anchors of one built page, and what a browser loads along with it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.anchors: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what the element refers to."""
        values = {name: value or "" for name, value in attrs}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        address = values.get("src") or values.get("href")
        if address and tag in LOADED and values.get("rel") != "canonical":
            self.loaded.append(address)
        elif address and tag == "a":
            self.links.append(address)

    def target(self, address: str) -> tuple[Path, str] | None:
        """The file and the anchor in it that an address leads to; `None` for another host."""
        parts = urlsplit(address)
        if parts.scheme or parts.netloc:
            return None
        found = (self.path.parent / unquote(parts.path)).resolve() if parts.path else self.path
        return (found / "index.html" if found.is_dir() else found), unquote(parts.fragment)


def faults(site: Path) -> Iterator[str]:
    """What is wrong with a built site: other hosts, dead links, pages that are hard to find."""
    pages = {path: Page(path) for path in sorted(site.rglob("*.html")) if path.name != "404.html"}
    for path, page in pages.items():
        for fault in [*_from_elsewhere(page), *_dead_links(page, pages)]:
            yield f"{path.relative_to(site)} {fault}"
    for style in site.rglob("*.css"):
        for address in re.findall(r"url\(\s*[\"']?((?:https?:)?//[^)\"']+)", style.read_text()):
            yield f"{style.relative_to(site)} loads `{address}` from another host"
    near = {site / "index.html"}
    for _ in range(MAX_CLICKS):
        near |= {
            target[0]
            for path in near & pages.keys()
            for address in pages[path].links
            if (target := pages[path].target(address))
        }
    for path in sorted(pages.keys() - near):
        yield f"{path.relative_to(site)} is more than {MAX_CLICKS} clicks from the first page"


def _from_elsewhere(page: Page) -> Iterator[str]:
    for address in page.loaded:
        target = page.target(address)
        if target is None and not address.startswith("data:"):
            yield f"loads `{address}` from another host"
        elif target and not target[0].exists():
            yield f"loads `{address}`, which does not exist"


def _dead_links(page: Page, pages: Mapping[Path, Page]) -> Iterator[str]:
    for address in page.links:
        file, anchor = page.target(address) or (page.path, "")
        if not file.exists():
            yield f"links to `{address}`, which does not exist"
        elif anchor and file in pages and anchor not in pages[file].anchors:
            yield f"links to `{address}`, which has no such section"


def main() -> int:
    """Build and check; the exit status is 1 when anything is wrong."""
    assemble()
    shutil.rmtree(SITE, ignore_errors=True)
    zensical = Path(sys.executable).with_name("zensical")
    built = subprocess.run([str(zensical), "build", "--clean", "--strict"], cwd=ROOT, check=False)  # noqa: S603
    if built.returncode:
        return built.returncode
    found = list(faults(SITE))
    sys.stdout.writelines(f"{fault}\n" for fault in found)
    sys.stdout.write(f"{SITE.relative_to(ROOT)}: {len(found)} faults\n")
    return bool(found)


if __name__ == "__main__":
    raise SystemExit(main())

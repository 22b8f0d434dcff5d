"""Every link within the site leads somewhere, to the very place on a page."""

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Links(HTMLParser):
    """Places of a page, what it links and what it shows."""

    def __init__(self, page: Path):
        super().__init__()
        self.ids: set[str] = set()
        self.targets: set[str] = set()
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("id", "name") and value:
                self.ids.add(value)
            if name in ("href", "src") and value:
                self.targets.add(value)


def test_no_link_is_broken(site: Path):
    pages = {page: Links(page) for page in site.rglob("*.html")}
    assert len(pages) > 10
    broken = []
    for page, links in pages.items():
        for target in links.targets:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            path = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            fragment = unquote(parts.fragment) if path in pages else ""
            if not path.exists() or (fragment and fragment not in pages[path].ids):
                broken.append((page.name, target))
    assert broken == []

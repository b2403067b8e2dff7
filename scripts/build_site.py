"""Build the site in `build/site`, and fail where anything in it leads nowhere: `python scripts/build_site.py`."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).parents[1]
_IN_MENU = re.compile(r"^ +- .*: (\S+\.md)$", flags=re.MULTILINE)


class _Links(HTMLParser):
    """The addresses in a page: those that wait for a click, and those that are fetched with it."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.clicked, self.fetched = list[str](), list[str]()
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = [value for name, value in attrs if name in ("href", "src") and value]
        (self.clicked if tag == "a" else self.fetched).extend(named)


def faults(root: Path, site: Path) -> Iterator[str]:
    """What Zensical does not look at: the menu, files that are no pages, and what a page fetches from elsewhere."""
    menu = set(_IN_MENU.findall((root / "mkdocs.yml").read_text(encoding="utf-8")))
    there = {path.relative_to(root).as_posix() for path in root.glob("docs/**/*.md")}
    for page in sorted({page for page in menu if not (root / page).is_file()} | there - menu):
        yield f"mkdocs.yml: {page} is {'missing' if page in menu else 'in no menu'}"
    for file in sorted(site.glob("**/*.html")):
        links, name = _Links(file), file.relative_to(site)
        yield from (f"{name}: fetches {url} from elsewhere" for url in links.fetched if urlsplit(url).netloc)
        if file.name == "404.html":  # is shown in the place of any page, so that its links begin at the site's root
            continue
        for url in (*links.clicked, *links.fetched):
            at = urlsplit(url)
            place = file.parent / unquote(at.path)
            elsewhere = at.scheme or at.netloc or not at.path
            if not elsewhere and not (place / "index.html" if place.is_dir() else place).is_file():
                yield f"{name}: {url} leads nowhere"


def main() -> int:
    command = [sys.executable, "-m", "zensical", "build", "--clean", "--strict"]
    if code := subprocess.run(command, cwd=ROOT, check=False).returncode:
        return code
    found = list(dict.fromkeys(faults(ROOT, ROOT / "build" / "site")))
    print("\n".join(found) or "every link leads somewhere, and nothing is fetched from elsewhere")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

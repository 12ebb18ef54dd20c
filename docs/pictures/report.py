"""Pictures of pages: `python docs/pictures/report.py PAGE.html PICTURE.png [HEIGHT]`.

README's is that of `make demo`: spex-demo.html, docs/report.png. Needs playwright and chromium.
"""

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright


def main(page: str, picture: str, height: str = "860") -> None:
    """Take the picture of a page, as wide as a laptop shows it."""
    with sync_playwright() as playwright:
        options = {"executable_path": "/usr/bin/chromium", "args": ["--no-sandbox"]}
        browser = playwright.chromium.launch(**options)
        shown = browser.new_page(viewport={"width": 1280, "height": int(height)}, locale="en")
        shown.goto(Path(page).resolve().as_uri())
        shown.wait_for_timeout(500)  # milliseconds; arcs are drawn again when the letters are there
        shown.screenshot(path=picture)
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])

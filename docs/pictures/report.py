"""README's picture of a report: `make demo`, then `python docs/pictures/report.py spex-demo.html`.

Needs playwright and chromium.
"""

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

PICTURE = Path(__file__).parents[1] / "report.png"


def main(page: str) -> None:
    """Take the picture of a page, as wide as a laptop shows it."""
    with sync_playwright() as playwright:
        options = {"executable_path": "/usr/bin/chromium", "args": ["--no-sandbox"]}
        browser = playwright.chromium.launch(**options)
        shown = browser.new_page(viewport={"width": 1280, "height": 860}, locale="en")
        shown.goto(Path(page).resolve().as_uri())
        shown.wait_for_timeout(500)  # milliseconds; arcs are drawn again when the letters are there
        shown.screenshot(path=PICTURE)
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1])

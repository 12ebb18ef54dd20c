"""The picture of the app, from form to result with SmolLM2: `python docs/pictures/app.py`.

Needs playwright and chromium.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

PICTURE = Path(__file__).parents[1] / "app.png"
TEXT = "Her acting never fails to impress, and the plot is not half bad either"


def main() -> None:
    """Start the app, explain a review, take the picture."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        app = subprocess.Popen(
            [sys.executable, "-m", "spex", "app", "--port", "0"],
            env={**os.environ, "SPEX_DATA_DIR": folder},
            stderr=subprocess.PIPE,
            text=True,
        )
        assert app.stderr is not None
        address = next(word for word in app.stderr.readline().split() if word.startswith("http"))
        options = {"executable_path": "/usr/bin/chromium", "args": ["--no-sandbox"]}
        browser = playwright.chromium.launch(**options)
        page = browser.new_page(viewport={"width": 1280, "height": 1200}, color_scheme="light")
        page.set_default_timeout(600_000)
        page.goto(address)
        page.locator("textarea").first.fill(TEXT)
        page.get_by_label("Budget").fill("1500")
        page.wait_for_timeout(1000)
        page.get_by_role("button", name="Check calls and time").click()
        plan = page.get_by_label("Before you start").element_handle()
        page.wait_for_function("e => e.value.includes('on this machine')", arg=plan)
        page.get_by_role("button", name="Explain", exact=True).click()
        page.get_by_role("status").filter(has_text="Done:").first.wait_for()
        frame = page.frame_locator("iframe[title=Explanation]:visible").first
        frame.get_by_text("impress").first.wait_for()
        page.wait_for_timeout(1000)
        page.evaluate("scrollTo(0, 0)")
        page.screenshot(path=PICTURE)
        browser.close()
        app.terminate()
        app.wait()


if __name__ == "__main__":
    main()

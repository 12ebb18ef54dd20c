"""The app for everybody: axe-core in both schemes and widths, and nothing beyond the edge."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from app.test_app import TEXT, done, fill, labelled, press, reopened

pytestmark = pytest.mark.slow(seconds=30)


def check(page):
    """No violation, nor of contrast in the dark; in each width nothing beyond the right edge."""
    for width in (400, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(100)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    for scheme, rules in (("light", None), ("dark", {"runOnly": ["color-contrast"]})):
        page.emulate_media(color_scheme=scheme)
        page.wait_for_timeout(300)  # milliseconds; colours fade from one to another
        assert page.evaluate("document.querySelectorAll('.dark').length > 0") == (scheme == "dark")
        found = Axe().run(page, options=rules).response["violations"]
        assert [(each["id"], node["html"]) for each in found for node in each["nodes"]] == []


def test_axe_finds_nothing_and_all_fits(visit):
    page = visit(400)
    fill(page, TEXT, budget="60")
    page.get_by_role("button", name="Limits and price").click()
    page.get_by_role("button", name="More").click()
    check(page)
    press(page, "Explain")
    done(page)
    page.frame_locator("iframe[title=Explanation]:visible").get_by_text("impress").first.wait_for()
    check(page)
    for kind in ("Picture", "Documents", "Table"):
        page.get_by_text(kind, exact=True).click()
        check(page)
    labelled(page, "Budget").fill("many")
    press(page, "Explain")
    page.get_by_role("alert").first.wait_for()
    reopened(page, 0)
    reopened(page, 1, "Compare with")
    page.frame_locator("iframe:visible").get_by_text("No difference").first.wait_for()
    check(page)

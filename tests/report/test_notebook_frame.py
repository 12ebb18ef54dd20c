"""Outputs of notebooks inside of a frame that allows nothing, as VS Code and Colab frame them.

Colab puts each output into a frame of another origin, VS Code all of them into a webview with a
policy of its own. This frame is stricter than both: no script runs in it, it has no origin, and its
policy allows styles and inlined pictures alone.
"""

import html
import io

import numpy as np
import PIL.Image
import pytest

from spex.explanations import Explanations

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
LARGEST = 300_000  # bytes of an output; Colab cuts off what is much larger


@pytest.fixture
def framed(browser):
    """Opens an output in a frame; returns the page, and what the browser complained about."""
    contexts = []

    def opened(output, width=1280, scheme="light"):
        content = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">{output}'
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        page, complaints = context.new_page(), []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("request", lambda request: complaints.append(request.url))
        page.set_content(
            '<html style="color-scheme: light dark"><body style="margin: 0">'
            f'<iframe sandbox title="output" srcdoc="{html.escape(content)}" '
            'style="width: 100%; height: 880px; border: 0; color-scheme: light dark"></iframe>'
        )
        page.frame_locator("iframe").locator(".spex-output").first.wait_for()
        return page, complaints

    yield opened
    for context in contexts:
        context.close()


def contrast(screenshot):
    """WCAG's contrast of the letters, the pixel farthest from the background, with that."""
    pixels = np.asarray(PIL.Image.open(io.BytesIO(screenshot)).convert("RGB")) / 255
    linear = np.where(pixels <= 0.04045, pixels / 12.92, ((pixels + 0.055) / 1.055) ** 2.4)
    light = linear.reshape(-1, 3) @ [0.2126, 0.7152, 0.0722]
    background = np.median(light)
    letters = light[np.argmax(np.abs(light - background))]
    return (max(letters, background) + 0.05) / (min(letters, background) + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
def test_a_frame_that_allows_nothing_shows_all(framed, review, picture, documents, width, scheme):
    several = Explanations({"review": review, "again": review})
    shown = [one._repr_html_() for one in (review, picture, documents, several)]
    page, complaints = framed("".join(shown), width, scheme)
    frame = page.frame_locator("iframe")
    drawing = frame.locator(f".spex-{'wide' if width > 600 else 'narrow'} .spex-arcs").first
    assert drawing.is_visible() and drawing.get_by_text("+1.44").is_visible()
    row = frame.locator("tr", has_text="never + fails").first
    assert "+1.44" in row.inner_text() and row.is_visible()
    assert frame.locator("svg image").is_visible()
    assert frame.locator("details[open]").count() == 1
    body = frame.locator("body")
    assert body.evaluate("one => one.scrollWidth <= one.ownerDocument.defaultView.innerWidth")
    cell = frame.locator("td", has_text="never + fails").first
    assert contrast(cell.screenshot(animations="disabled")) > 4.5
    assert [each for each in complaints if not each.startswith("data:image/png")] == []


def test_outputs_stay_small(thousand, picture):
    for one in (thousand, picture, thousand.interactions("SV")):
        assert len(one._repr_html_().encode()) < LARGEST

import re

import pytest

from spex.errors import ArgumentError
from spex.report import facts
from spex.report.html import MAX_ROWS, page_data, render_html

HOSTILE = '<script>window.pwned=1</script><img src=x onerror="window.pwned=1">'


def hostile(make, context_of):
    word = HOSTILE.replace(" ", "\u00a0")
    text = f"{word} 'quoted\" </style></textarea>--> {{{{7*7}}}}"
    return make(
        {(0,): 1.0, (0, 1): 0.5, (1, 2): -0.4},
        text.split(" "),
        context=context_of(
            text,
            **{key: HOSTILE for key in ("model", "prompt", "system", "answer", "command")},
            score=f"{HOSTILE}, nats",
        ),
        notes=(HOSTILE,),
        method=HOSTILE,
        scores={HOSTILE: 0.5, "gp": 0.4},
        version=HOSTILE,
    )


def test_page_data_is_what_the_explanation_says(review):
    page = page_data(review, "FBII", 2)
    assert page.heading == "FBII up to order 2"
    assert page.unit == "nats"
    assert page.kind == "Text"
    (block,) = page.blocks
    assert "".join(piece.text for piece in block.pieces) == "Her acting never fails to impress"
    # never: -2 F = +0.38, the largest; fails: -0.30.
    assert [piece.colour for piece in block.pieces if piece.feature is not None] == [
        "", "p4", "p10", "n8", "", "p5",
    ]  # fmt: skip
    assert page.scale == "0.380"
    values = review.interactions("FBII", 2)
    assert len(page.rows) == len(values)
    first = page.rows[0]
    assert [label for label, _ in first.labels] == ["never", "fails"]
    assert first.members == "2 3"
    assert float(first.value) == pytest.approx(values[2, 3], rel=0.01)
    assert first.share == "" and page_data(review, "Fourier").rows[0].share == "62 %"
    assert (first.bar_start, first.bar_width) == (50.0, 50.0)
    assert page.gauge == (90.0, 93.0, 95.0)
    found = {fact.name: fact.value for fact in page.facts}
    assert found["Command"] == "spex explain --text review.txt"
    assert found["Evaluations"] == "300 (budget 300)"
    assert "gp 0.93, linear 0.40" in found["Method"]
    assert "Answer explained" not in found


def test_documents_are_headed_by_their_titles(documents):
    page = page_data(documents)
    assert page.kind == "Text"
    assert [block.heading for block in page.blocks] == ["A title", None]
    first, pinned = page.blocks[0].pieces
    assert (first.text, first.colour, first.says) == (
        "First text.", "p10", "A title: main effect +1.00",
    )  # fmt: skip
    assert (pinned.text, pinned.feature) == ("\n", None)
    html = render_html([documents])
    assert "<h3>A title</h3>" in html


def test_pictures_have_their_regions_over_them(picture):
    page = page_data(picture)
    assert page.kind == "Input"
    image, question = page.blocks
    assert image.picture[1:] == (40, 20)
    assert [piece.colour for piece in image.pieces] == ["p10", "n5"]
    assert image.pieces[0].says == "row 1, column 1: main effect +1.00"
    assert question.picture is None
    html = render_html([picture])
    assert 'd="M20,0L40,0L40,20L20,20Z"' in html
    assert '<image href="data:image/png;base64,iVBOR' in html


def test_bars_of_negative_values_end_at_zero(review):
    for row in page_data(review, "Fourier").rows:
        if row.value.startswith("\N{MINUS SIGN}"):
            assert row.bar_start + row.bar_width == pytest.approx(50, abs=0.02)
        else:
            assert row.bar_start == 50


def test_sign_of_a_fourier_coefficient_has_no_colour(review):
    assert {row.colour for row in page_data(review, "Fourier").rows} == {"flat"}
    assert {row.colour for row in page_data(review, "BV").rows} == {"pos", "neg"}


def test_predicted_scores_are_the_surrogate(review):
    import numpy as np

    found = {fact.name: fact.value for fact in page_data(review).facts}
    kept = review.predict(np.ones((1, 6), dtype=bool))[0]
    assert found["Everything kept"] == f"{facts.signed(kept)} nats by the surrogate"


def test_long_tables_say_what_they_leave_out(large):
    page = page_data(large, "Fourier")
    assert len(page.rows) == MAX_ROWS
    assert page.remainder.startswith("3,800 more, each at most ")
    html = render_html([large], "Fourier")
    assert html.count("data-m=") == MAX_ROWS
    assert html.count("data-f=") == 500
    assert "Beyond the 200 listed there are 3,800 more" in html


def test_wrong_calls(review):
    with pytest.raises(ArgumentError, match="index"):
        render_html([review], "nonsense")
    with pytest.raises(ArgumentError, match="order"):
        render_html([review], "FBII", 7)
    with pytest.raises(ArgumentError, match="at least one"):
        render_html([])
    with pytest.raises(ArgumentError, match="2 titles for 1"):
        render_html([review], titles=["a", "b"])


def test_nothing_is_loaded_from_outside(review, numbers):
    html = render_html([review, numbers])
    assert not re.search(r"https?:|//[a-z]|@import|url\(", html)
    assert "default-src 'none'" in html
    assert "unsafe" not in html


def test_texts_are_escaped(make, context_of):
    html = render_html([hostile(make, context_of)], titles=[HOSTILE])
    assert "<script>window" not in html
    assert "<img" not in html
    assert "</style></textarea>" not in html
    assert html.count("<script") == 1
    assert "{{7*7}}" in html


def test_what_no_file_can_hold_is_replaced(make, tmp_path):
    explanation = make({(0,): 1.0}, ["\ud800\x00", "b"])
    explanation.to_html(tmp_path / "page.html")
    assert "\ufffd\ufffd" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_same_explanation_same_page(review):
    assert render_html([review]) == render_html([review])


# --- in a browser --------------------------------------------------------------------------------


@pytest.fixture
def open_page(browser, tmp_path):
    """Open a page of explanations; returns the browser's page and what it complained about."""
    contexts = []

    def open_it(explanations, width=1280, scheme="light", **settings):
        path = tmp_path / f"page{len(contexts)}.html"
        path.write_text(render_html(explanations, **settings), encoding="utf-8")
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, locale="en"
        )
        contexts.append(context)
        page = context.new_page()
        complaints = []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: complaints.append(request.url))
        page.goto(path.as_uri())
        assert complaints.pop(0) == path.as_uri()
        return page, complaints

    yield open_it
    for context in contexts:
        context.close()


def marked(page, selector="[data-f]"):
    return page.eval_on_selector_all(
        f".explanation {selector}.on", "all => all.map(one => one.textContent)"
    )


def test_hovering_a_row_marks_its_units(open_page, review):
    page, complaints = open_page([review], order=2)
    assert marked(page) == []
    page.locator("tr", has_text="never + fails").hover()
    assert marked(page) == ["never", "fails"]
    assert page.locator(".detail").inner_text() == "never + fails: +1.44 nats"
    page.mouse.move(2, 2)
    assert marked(page) == []
    assert complaints == []


def test_hovering_a_row_marks_its_regions(open_page, picture):
    page, complaints = open_page([picture])
    page.locator("tbody tr", has_text="What").first.hover()
    assert page.locator("path.unit.on").count() == 1
    assert page.locator("span.unit.on").count() == 1
    shown = page.locator("svg.picture").bounding_box()
    assert shown["width"] > 200
    page.locator("path.unit").nth(1).hover()
    assert "row 1, column 2: main effect" in page.locator(".detail").text_content()
    assert all(complaint.startswith("data:image/png") for complaint in complaints)


def test_hovering_a_unit_marks_its_rows(open_page, review):
    page, _ = open_page([review], order=2)
    page.locator("[data-f='1']").hover()
    rows = page.eval_on_selector_all("tr.on", "all => all.map(one => one.dataset.m)")
    assert sorted(rows) == ["0 1", "1"]
    assert "acting: main effect" in page.locator(".detail").inner_text()


def test_keyboard_goes_through_the_table(open_page, review):
    page, _ = open_page([review], order=2)
    page.locator("input:checked").focus()
    page.keyboard.press("Tab")
    assert marked(page) == ["never", "fails"]
    page.keyboard.press("ArrowDown")
    second = marked(page)
    assert len(second) == 1
    page.keyboard.press("ArrowUp")
    assert marked(page) == ["never", "fails"]
    page.keyboard.press("End")
    assert page.evaluate("document.activeElement === document.querySelector('tbody tr:last-child')")
    page.keyboard.press("Escape")
    assert marked(page) == []


def test_filter_shows_single_or_joint(open_page, review):
    page, _ = open_page([review], order=2)
    page.get_by_label("together").check()
    shown = page.eval_on_selector_all(
        "[data-m]", "all => all.filter(one => !one.hidden).map(one => one.dataset.m)"
    )
    assert shown and all(" " in members for members in shown)
    page.get_by_label("single").check()
    assert page.locator("[data-m='2 3']").is_hidden()
    assert page.locator("[data-m='2']").is_visible()


def test_long_table_is_short_at_first(open_page, large):
    page, complaints = open_page([large], index="Fourier")
    visible = "all => all.filter(one => !one.hidden).length"
    assert page.eval_on_selector_all("[data-m]", visible) == 25
    page.get_by_role("button", name="Show all 200 listed").click()
    assert page.eval_on_selector_all("[data-m]", visible) == 200
    assert page.evaluate("document.activeElement.querySelector('.rank').textContent") == "26"
    assert complaints == []


def test_sections_do_not_mix(open_page, review, numbers):
    page, complaints = open_page([review, numbers])
    page.locator("#e2 tbody tr").first.hover()
    assert page.locator("#e1 .on").count() == 0
    assert page.locator("#e2 .unit.on").count() >= 1
    assert complaints == []


def test_links_switch_between_outputs(open_page, review, documents, picture):
    three = [review, documents, picture]
    page, complaints = open_page(three, titles=list("abc"), one_at_a_time=True)
    shown = lambda: page.locator(".explanation:visible h1").all_inner_texts()  # noqa: E731
    assert shown() == ["a"]
    page.locator("nav a").nth(1).click()
    assert shown() == ["b"]
    assert page.locator("nav a[aria-current]").inner_text() == "b"
    page.go_back()
    assert shown() == ["a"]
    page.emulate_media(media="print")
    assert shown() == ["a", "b", "c"]
    assert complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
def test_fits_the_width(open_page, review, numbers, large, make, width, scheme):
    long = make({(0,): 1.0, (0, 1): -1.0}, ["Donaudampfschifffahrt" * 9, "x"], method="m" * 300)
    page, _ = open_page([review, numbers, large, long], width, scheme, index="Fourier")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for selector in (".text", "table", "pre"):
        widest = page.eval_on_selector_all(
            selector, "all => Math.max(...all.map(one => one.getBoundingClientRect().right))"
        )
        assert widest <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_coloured_words_are_legible(open_page, review, scheme):
    page, _ = open_page([review], scheme=scheme)
    # WCAG's contrast of the letters with the strongest background, drawn on the panel.
    contrasts = page.evaluate(
        """() => {
          const canvas = Object.assign(document.createElement("canvas"), {width: 1, height: 1});
          const context = canvas.getContext("2d", {willReadFrequently: true});
          const drawn = (...colours) => {
            for (const colour of colours) {
              context.fillStyle = colour;
              context.fillRect(0, 0, 1, 1);
            }
            const light = [...context.getImageData(0, 0, 1, 1).data].slice(0, 3).map((v) => {
              v /= 255;
              return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
            });
            return 0.2126 * light[0] + 0.7152 * light[1] + 0.0722 * light[2];
          };
          const style = (selector) => getComputedStyle(document.querySelector(selector));
          const panel = style(".panel").backgroundColor;
          return ["p10", "n10"].map((level) => {
            const back = drawn(panel, style(`.ramp .${level}`).backgroundColor);
            const letters = drawn(style(".text").color);
            const [low, high] = [back, letters].sort((a, b) => a - b);
            return (high + 0.05) / (low + 0.05);
          });
        }"""
    )
    assert min(contrasts) >= 4.5, contrasts


def test_hostile_text_is_inert(open_page, make, context_of):
    page, complaints = open_page([hostile(make, context_of)], titles=[HOSTILE])
    page.locator("tbody tr").first.hover()
    assert page.evaluate("window.pwned") is None
    assert page.locator("img").count() == 0
    assert HOSTILE in page.locator("h1").inner_text()
    assert complaints == []


def test_policy_stops_what_escaping_would_miss(open_page, review):
    page, complaints = open_page([review])
    page.evaluate(
        """() => {
          const script = document.createElement("script");
          script.textContent = "window.pwned = 1";
          document.body.append(script);
          const image = document.createElement("img");
          image.src = "https://example.org/x.png";
          document.body.append(image);
        }"""
    )
    page.wait_for_timeout(100)
    assert page.evaluate("window.pwned") is None
    assert any("Content Security Policy" in complaint for complaint in complaints)


def test_the_hint_says_what_the_columns_are(review):
    hint = page_data(review, "Fourier").hint
    assert hint.startswith("Fourier: amplitude") and "Share:" in hint
    assert "may differ" in page_data(review, "FBII", 2).hint
    assert (
        "may differ" not in page_data(review, "FBII", 1).hint + page_data(review, "BV").hint + hint
    )
    bv, fbii = review.interactions("BV"), review.interactions("FBII", 1)
    assert dict(bv) == pytest.approx(dict(fbii))  # why the hint is not needed

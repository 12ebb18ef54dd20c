"""The page in a real browser: what is drawn, and what pointing, keys and clicks do."""

import csv
import json
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from report.seen import drawn, marked

# --- what is seen without doing anything ---------------------------------------------------------


def test_strongest_combination_is_drawn_in_the_text(open_page, review):
    page, complaints = open_page([review])
    assert "2 3" in drawn(page)
    label = page.locator(".overlay .tag[data-m='2 3']")
    assert label.text_content() == "+1.44"
    box = lambda locator: locator.bounding_box()  # noqa: E731
    arc = box(page.locator(".overlay .link[data-m='2 3'] path"))
    never, fails = (box(page.locator(f".reading [data-f='{i}']")) for i in (2, 3))
    assert never["x"] < arc["x"] + 6 and arc["x"] + arc["width"] - 6 < fails["x"] + fails["width"]
    assert arc["y"] < never["y"] <= arc["y"] + arc["height"] + 4
    widths = page.eval_on_selector_all(
        ".overlay .link path",
        """all => all.map(one =>
        [one.parentNode.dataset.m, Number(one.getAttribute('stroke-width'))])""",
    )
    assert max(widths, key=lambda pair: pair[1])[0] == "2 3"
    assert complaints == []


def test_arcs_find_their_words_on_other_lines_and_after_a_resize(open_page, make, context_of):
    words = [f"word{i}" for i in range(60)]
    e = make({(0, 59): 1.0, (3, 30, 40): -0.5}, words, context=context_of(" ".join(words)))
    page, complaints = open_page([e], order=3)
    for width in (1280, 500):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(100)
        for members in ((0, 59), (3, 30, 40)):
            path = page.locator(f".overlay .link[data-m='{' '.join(map(str, members))}'] path")
            ends = path.evaluate(
                """path => { const m = path.getScreenCTM(); return path.getAttribute('d')
                .match(/M[\\d.-]+ [\\d.-]+/g).map(t => t.slice(1).split(' ').map(Number))
                .map(([x, y]) => [x + m.e, y + m.f]); }"""
            )
            for member in members:
                unit = page.locator(f".reading [data-f='{member}']").bounding_box()
                assert any(
                    unit["x"] - 2 <= x <= unit["x"] + unit["width"] + 2 and abs(y - unit["y"]) < 6
                    for x, y in ends
                ), (width, member)
        assert "with word59" in page.locator(".overlay .tag[data-m='0 59']").first.text_content()
    assert complaints == []


def test_tags_never_hide_each_other(open_page, thousand, chat, large):
    for one in (thousand, chat, large):
        page, _ = open_page([one])
        page.locator(".count").fill("12" if one is not chat else "3")
        boxes = page.eval_on_selector_all(
            ".overlay .tag rect",
            """all => all.map(r => r.getBoundingClientRect())
            .map(r => [r.left, r.top, r.right, r.bottom])""",
        )
        for i, (a, b, c, d) in enumerate(boxes):
            for e, f, g, h in boxes[:i]:
                assert not (a < g - 1 and e < c - 1 and b < h - 1 and f < d - 1)


def test_every_kind_has_its_drawing(open_page, chat, documents, picture, numbers, make):
    page, _ = open_page([chat])
    assert page.locator(".bubble.user").count() == 2 and drawn(page)
    rows = make(
        {(0, 2): 1.0, (1,): 0.5},
        ["A", "B", "C"],
        context={
            "parts": [
                {"heading": name, "segments": [[f"Text of {name}.", i]], "score": 0.5}
                for i, name in enumerate("ABC")
            ]
        },
    )
    page, _ = open_page([rows])
    assert page.locator(".row-line").count() == 3 and drawn(page) == ["0 2"]
    assert "retrieval score 0.5" in page.locator(".row-line").first.inner_text()
    assert page.get_by_text("Text of A.", exact=True).last.is_hidden()
    page.locator("summary").first.click()
    assert page.locator(".whole").first.is_visible()
    page, complaints = open_page([picture])
    assert drawn(page) == ["0 2"]
    assert page.locator("path.joined").count() == 1  # the patch that acts with a word
    assert all(complaint.startswith("data:image/png") for complaint in complaints)
    page, _ = open_page([numbers])
    assert page.locator(".chips .unit").count() == 3 and drawn(page) == ["0 2"]


# --- pointing and keys ---------------------------------------------------------------------------


def test_hovering_a_row_marks_its_units(open_page, review):
    page, complaints = open_page([review], order=2)
    assert marked(page) == []
    page.locator("tr", has_text="never + fails").hover()
    assert marked(page) == ["never", "fails"]
    assert page.locator(".unit.lit.pos").count() == 2
    assert page.locator(".detail").inner_text() == "never + fails: +1.44 nats"
    page.mouse.move(2, 2)
    assert marked(page) == []
    assert complaints == []


def test_hovering_a_unit_lights_its_partners_by_sign_and_strength(open_page, review):
    page, _ = open_page([review], order=3)
    page.locator(".reading [data-f='2']").hover()
    lit = page.eval_on_selector_all(
        ".unit.lit",
        """all => all.map(one =>
        [one.textContent, one.dataset.strength, one.classList.contains('pos')])""",
    )
    assert ["fails", "5", True] in lit and ["impress", "1", False] in lit
    says = page.locator(".detail").inner_text()
    assert says.startswith("never: \N{MINUS SIGN}0.380 nats; together with fails +1.52")
    lines = page.eval_on_selector_all("tr.on", "all => all.map(one => one.dataset.m)")
    assert {"2 3", "2 3 5"} <= set(lines)


def test_keyboard_reaches_units_and_rows(open_page, review):
    page, _ = open_page([review], order=2)
    page.locator(".reading [data-f='0']").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    focused = "document.activeElement.getAttribute('aria-label')"
    assert page.evaluate(focused).startswith("never: \N{MINUS SIGN}0.340 nats; together with fails")
    assert page.locator(".reading [data-f='2']").get_attribute("role") == "button"
    page.keyboard.press("Enter")
    assert page.locator(".reading [data-f='2']").get_attribute("aria-pressed") == "true"
    assert page.evaluate(focused).endswith("left out")
    page.keyboard.press("End")
    assert page.evaluate("document.activeElement.textContent") == "impress"
    page.locator("tbody tr").first.focus()
    assert marked(page) == ["never", "fails"]
    page.keyboard.press("ArrowDown")
    assert len(marked(page)) == 1
    page.keyboard.press("End")
    assert page.evaluate("document.activeElement === document.querySelector('tbody tr:last-child')")
    page.keyboard.press("Escape")
    assert marked(page) == []


def test_slider_threshold_and_switch(open_page, review):
    page, complaints = open_page([review], order=3)
    page.locator(".count").fill("1")
    assert drawn(page) == ["2 3"]
    page.locator(".count").fill("5")
    assert len(set(drawn(page))) == 5
    page.locator(".least").fill("60")
    assert drawn(page) == ["2 3"]
    page.locator(".order").select_option("1")
    assert drawn(page) == [] and page.locator(".count").is_disabled()
    assert page.locator(".count-told").inner_text() == "none to order 1"
    page.locator(".index").select_option("SV")
    assert "SV" in page.locator(".listing .heading").inner_text()
    assert page.locator("tbody tr").count() == len(review.interactions("SV"))
    assert complaints == []


# --- what if -------------------------------------------------------------------------------------


def prediction(page):
    strong = page.locator(".prediction strong")
    return float(strong.get_attribute("data-value")), strong.get_attribute("data-half")


def test_what_if_is_predict(open_page, measured, thousand):
    rng = np.random.default_rng(1)
    for e in (measured, thousand):
        page, complaints = open_page([e])
        n = e.n_features
        masks = rng.random((20, n)) < rng.random((20, 1))
        masks = np.concatenate([masks, [[True] * n, [False] * n]])
        for mask, value in zip(masks, e.predict(masks), strict=True):
            out = np.flatnonzero(~mask).tolist()
            page.evaluate("out => setOut(pages[0], out)", out)
            told, half = prediction(page)
            assert told == pytest.approx(value, rel=1e-9, abs=1e-12)
            assert float(half) >= 1.6448 * e.unexplained**0.5 * 0.9999
        assert complaints == []


def test_clicks_leave_units_out_and_the_address_keeps_it(open_page, measured):
    page, complaints = open_page([measured])
    assert "everything +1.40 nats, nothing +0.500 nats" in page.locator(".prediction").inner_text()
    page.locator(".reading [data-f='3']").click()
    mask = np.array([[True, True, True, False, True, True]])
    assert prediction(page)[0] == pytest.approx(measured.predict(mask)[0], rel=1e-9)
    assert page.locator(".unit.out").all_inner_texts() == ["fails"]
    assert "Without fails" in page.locator(".prediction").inner_text()
    page.locator(".sort").select_option("sure")
    assert "out=3" in page.evaluate("location.hash")
    again, _ = open_page([measured], fragment=page.evaluate("location.hash"))
    assert prediction(again) == prediction(page)
    assert again.locator(".sort").input_value() == "sure"
    page.locator(".reading [data-f='3']").click()
    assert prediction(page)[0] == pytest.approx(measured.predict(np.ones((1, 6), bool))[0])
    page.locator("tbody tr").first.focus()
    page.keyboard.press("Enter")
    assert page.locator(".unit.out").all_inner_texts() == ["never", "fails"]
    page.get_by_role("button", name="Without the smallest set").click()
    wanted = measured.sets.change
    labels = [measured.features[i] for i in wanted.features]
    assert page.locator(".unit.out").all_inner_texts() == labels
    assert prediction(page)[0] == pytest.approx(wanted.predicted, rel=1e-9)
    assert "Measured here" in page.locator(".prediction").inner_text()
    page.get_by_role("button", name="Keep everything").click()
    assert page.locator(".unit.out").count() == 0
    assert complaints == []


# --- the table -----------------------------------------------------------------------------------


def test_table_sorts_filters_and_saves(open_page, measured):
    page, complaints = open_page([measured], order=3)
    values = measured.interactions(None, 3)
    members = lambda: page.eval_on_selector_all(  # noqa: E731
        "tbody tr[data-m]", "all => all.map(one => one.dataset.m.split(' ').map(Number))"
    )

    def surest(key):
        low, high = values.interval(key)
        return 0.0 if low < 0 < high else min(abs(low), abs(high))

    assert [tuple(key) for key in members()] == list(values)
    page.locator(".sort").select_option("sure")
    sizes = [surest(tuple(key)) for key in members()]
    assert sizes == sorted(sizes, reverse=True) and sizes[0] > 0
    page.locator(".sort").select_option("order")
    assert [len(key) for key in members()] == sorted(map(len, values))
    page.locator(".find").fill("NEVER")
    assert members() and all(2 in key for key in members())
    page.locator(".kinds").select_option("single")
    assert members() == [[2]]
    page.locator(".find").fill("")
    page.locator(".kinds").select_option("all")
    page.locator(".sort").select_option("value")
    with page.expect_download() as saving:
        page.get_by_role("button", name="Save CSV").click()
    rows = list(csv.DictReader(saving.value.path().read_text().splitlines()))
    assert {tuple(map(int, row["features"].split())): float(row["value"]) for row in rows} == dict(
        values
    )
    assert rows[0]["labels"] == "never + fails" and rows[0]["up_to_order"] == "3"
    with page.expect_download() as saving:
        page.get_by_role("button", name="Save JSON").click()
    content = json.loads(saving.value.path().read_text())
    low, high = values.interval((2, 3))
    (first,) = [row for row in content["interactions"] if row["features"] == [2, 3]]
    assert (first["low"], first["high"]) == pytest.approx((low, high), rel=1e-5)
    assert [c for c in complaints if not c.startswith("blob:")] == []


def test_find_takes_several_words(open_page, review):
    page, _ = open_page([review])
    page.locator(".index").select_option("Fourier")
    for typed in ("never fails", "fails + NEVER"):
        page.locator(".find").fill(typed)
        assert set(page.eval_on_selector_all("tbody tr", "all => all.map(r => r.dataset.m)")) == {
            "2 3",
            "2 3 5",
        }
    page.locator(".find").fill("never nothing")
    assert page.locator("tbody tr").count() == 0


def test_an_address_of_another_page_is_left_aside_and_that_is_said(open_page, measured):
    for state in ("out=2.77", "out=2&index=nonsense&order=2"):
        page, complaints = open_page([measured], fragment=f"#e1&{state}")
        assert page.locator(".unit.out").count() == 0
        assert "left aside" in page.locator(".detail").inner_text()
        assert complaints == []
    page, _ = open_page([measured], fragment="#e1&out=2")
    assert page.locator(".unit.out").count() == 1
    assert "left aside" not in page.locator(".detail").inner_text()


def test_rounding_errors_are_exact_in_what_if(open_page, review):
    nothing, everything = (float(review.predict(np.full((1, 6), on))[0]) for on in (False, True))
    exact = replace(review, unexplained=0.0, observed=(everything + 1e-15, nothing - 1e-15))
    page, _ = open_page([exact])
    assert "(exact)" in page.locator(".prediction").inner_text()


def test_names_on_the_scale_do_not_hide_each_other(open_page, review):
    for observed in ((0.1, -0.1), (0.1, 0.1), (-0.2, 0.0), (-0.2, -0.3)):
        e = replace(review, unexplained=1.0, observed=observed)
        for width in (400, 1280):
            page, _ = open_page([e], width=width)
            boxes = page.eval_on_selector_all(
                ".scale text",
                """all => all.map(t => t.getBoundingClientRect())
                .map(b => [b.x, b.right, b.y, b.bottom])""",
            )
            for a, b in combinations(boxes, 2):
                across = min(a[1], b[1]) - max(a[0], b[0])
                assert across <= 1 or min(a[3], b[3]) - max(a[2], b[2]) <= 3, (observed, width)


def test_intervals_that_go_beyond_the_edge_are_marked(open_page, make):
    e = make({(0,): 0.1, (1,): 0.05}, "ab", standard_errors=np.full(2, 1.0), unexplained=20.0)
    page, _ = open_page([e])
    assert page.locator(".beyond").count() >= 2
    assert page.locator(".clipped").is_visible()


def test_long_table_is_short_at_first(open_page, thousand):
    page, complaints = open_page([thousand])
    assert page.locator("tbody tr").count() == 25
    page.get_by_role("button", name="Show all 1,000").click()
    assert page.locator("tbody tr").count() == 1000
    assert page.evaluate("document.activeElement.querySelector('.rank').textContent") == "26"
    assert complaints == []

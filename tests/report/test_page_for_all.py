"""The page in a real browser: several explanations, other eyes and hands, paper, bad texts."""

import re
import time

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from report.conftest import rendered, until
from report.seen import drawn
from report.test_html import HOSTILE, hostile
from spex.comparison.comparing import compare
from spex.report.html import render_comparison, render_html

SCHEMES = ("light", "dark")


def test_a_thousand_words_stay_fluid(open_page, thousand):
    started = time.perf_counter()
    page, _ = open_page([thousand])
    assert time.perf_counter() - started < 20  # on a busy machine; about 1 s on a quiet one
    times = page.evaluate(
        """() => {
          const page = pages[0];
          const timed = (act) => {
            const start = performance.now();
            act();
            page.overlay.getBoundingClientRect();
            return performance.now() - start;
          };
          const median = (act) => [0, 1, 2, 3, 4].map(() => timed(act)).sort((a, b) => a - b)[2];
          let n = 0;
          return {
            hover: median(() => lightUnit(page, n++ * 97)),
            click: median(() => leaveOut(page, [n++ * 31])),
            slide: median(() => { page.count = n++; drawn(page); }),
            find: median(() => { page.find = `word${n++}`; refresh(page, false); }),
          };
        }"""
    )
    assert max(times.values()) < 300, times


# --- several, and compared -----------------------------------------------------------------------


def test_sections_do_not_mix(open_page, review, numbers):
    page, complaints = open_page([review, numbers])
    page.locator("#e2 tbody tr").first.hover()
    assert page.locator("#e1 .on").count() == 0
    assert page.locator("#e2 .unit.on").count() >= 1
    assert complaints == []


def test_links_switch_between_outputs(open_page, review, documents, picture):
    three = [review, documents, picture]
    page, complaints = open_page(three, titles=list("abc"), one_at_a_time=True)
    names = page.locator(".explanation:visible .name")
    shows = lambda *of: expect(names).to_have_text(list(of))  # noqa: E731 - waits
    shows("a")
    assert drawn(page)
    page.locator("nav a").nth(2).click()
    shows("c")
    assert page.locator("nav a[aria-current]").inner_text() == "c"
    assert page.locator("#e3 .overlay .link").count() == 1
    page.go_back()
    shows("a")
    page.emulate_media(media="print")
    shows("a", "b", "c")
    assert [c for c in complaints if not c.startswith("data:image/png")] == []


def test_a_comparison_shows_the_difference_first(open_page, review, make, context_of):
    text = "Her acting always fails to impress"
    other = make({(): 1.0, (2, 3): -0.3, (3,): 0.4}, text.split(), context=context_of(text))
    found = compare(review, other, names=("never", "always"))
    page, complaints = open_page([], html=render_comparison(found))
    assert page.locator("nav a").all_inner_texts() == [
        "Difference: never less always",
        "never",
        "always",
    ]
    first = page.locator("tbody tr").first
    largest = found.differences[0]
    assert first.get_attribute("data-m") == " ".join(map(str, largest.interaction))
    assert page.locator("#e1 thead").inner_text().split("\t")[2:5] == [
        "never",
        "always",
        "Difference",
    ]
    assert "Only in always" in page.locator("#e1").inner_text()
    assert page.locator("#e1 .what-if").is_hidden()
    page.locator("nav a").nth(2).click()
    page.locator("#e3 .overlay .tag[data-m='2 3']").wait_for()  # until it is visible
    assert complaints == []


# --- for everybody -------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", SCHEMES)
def test_axe_finds_nothing(open_page, measured, documents, chat, picture, numbers, scheme):
    page, _ = open_page([measured, documents, chat, picture, numbers], 1280, scheme)
    page.locator("#e1 .reading [data-f='2']").click()  # lit, and left out
    found = Axe().run(page).response["violations"]
    assert [(each["id"], each["nodes"][0]["html"]) for each in found] == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_coloured_words_are_legible(open_page, review, scheme):
    page, _ = open_page([review], scheme=scheme)
    # WCAG's contrast of the letters with the strongest background, drawn on the panel.
    contrasts = page.evaluate(
        """() => {
          const canvas = Object.assign(document.createElement("canvas"), {width: 1, height: 1});
          const context = canvas.getContext("2d", {willReadFrequently: true});
          const light = (...colours) => {
            for (const colour of colours) {
              context.fillStyle = colour;
              context.fillRect(0, 0, 1, 1);
            }
            const [r, g, b] = [...context.getImageData(0, 0, 1, 1).data].slice(0, 3).map((v) => {
              v /= 255;
              return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
            });
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
          };
          const style = (selector) => getComputedStyle(document.querySelector(selector));
          const contrast = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
          const panel = style(".panel").backgroundColor;
          const words = ["p10", "n10"].map((level) =>
            contrast(
              light(panel, style(`.ramp .${level}`).backgroundColor),
              light(style(".text").color),
            ));
          const tags = [...document.querySelectorAll(".tag text")].map((one) =>
            contrast(light(panel), light(getComputedStyle(one).fill)));
          return [...words, ...tags];
        }"""
    )
    assert len(contrasts) > 2 and min(contrasts) >= 4.5, contrasts


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", [400, 1280])
def test_fits_the_width(open_page, review, numbers, documents, chat, make, width, scheme):
    long = make({(0,): 1.0, (0, 1): -1.0}, ["Donaudampfschifffahrt" * 9, "x"], method="m" * 300)
    page, _ = open_page([review, numbers, documents, chat, long], width, scheme, index="Fourier")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for selector in (".text", "table", "pre", ".what-if"):
        widest = page.eval_on_selector_all(
            selector, "all => Math.max(...all.map(one => one.getBoundingClientRect().right))"
        )
        assert widest <= width, selector


def test_print_draws_where_paper_breaks_the_lines(open_page, thousand):
    page, _ = open_page([thousand])
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert page.locator(".explanation").bounding_box()["width"] == 690
    members = [int(i) for i in drawn(page)[0].split()]
    path = page.locator(f".overlay .link[data-m='{' '.join(map(str, members))}'] path")
    start = path.evaluate(
        """p => { const m = p.getScreenCTM(); const q = p.getPointAtLength(0);
        return [q.x + m.e, q.y + m.f]; }"""
    )
    boxes = [page.locator(f".reading [data-f='{i}']").bounding_box() for i in members]
    assert any(
        b["x"] - 2 <= start[0] <= b["x"] + b["width"] + 2 and abs(b["y"] - start[1]) < 6
        for b in boxes
    )
    assert page.locator(".printed").inner_text().startswith("Printed: 25 of the 1,000 listed")
    assert page.locator(".controls").is_hidden()


def test_heads_of_columns_are_whole_on_a_narrow_screen(open_page, review, make, context_of):
    text = "Her acting always fails to impress"
    other = make({(2, 3): -0.3, (3,): 0.4}, text.split(), context=context_of(text))
    page, _ = open_page([], html=render_comparison(compare(review, other)), width=400)
    heads = page.locator("#e1 th:visible")
    assert "Difference" in heads.all_inner_texts()
    heights = heads.evaluate_all(
        """all => all.map(th => { const r = document.createRange(); r.selectNodeContents(th);
        return r.getClientRects().length; })"""
    )
    assert set(heights) == {1}


def test_print_is_the_same_whatever_had_the_focus(open_page, review):
    page, _ = open_page([review])
    unit = page.locator("[data-f='4']")  # in no combination
    unit.focus()
    assert "on" in unit.get_attribute("class") and drawn(page)
    page.locator("[data-f='0']").focus()  # in a weak one
    assert page.locator(".overlay .weak").count()
    assert page.evaluate("document.activeElement.dataset.f") == "0"
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert not page.locator(".overlay .weak, .unit.on, .unit.lit").count() and drawn(page)
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator(".overlay .weak").count() and page.locator(".unit.on").count()
    page.emulate_media(media="print")  # of the style alone
    tags = page.locator(".overlay .tag.weak")
    assert tags.count() and tags.first.is_visible()


def test_numbers_stay_beside_labels_that_run_right_to_left_in_the_page(open_page, make):
    e = make({(0, 1): 1.0, (0,): 0.2, (1,): 0.4}, ["שלום", "never", "c"], observed=(1.0, 2.0))
    page, _ = open_page([e], fragment="#e1&out=0")
    hebrew = f"\u2068{e.features[0]}\u2069"
    assert f"Without {hebrew}: " in page.locator(".prediction").inner_text()
    page.locator("[data-f='1']").focus()
    assert f"with {hebrew} " in page.locator(".detail").inner_text()
    assert f"with {hebrew} " in page.locator("[data-f='1']").get_attribute("aria-label")


def test_right_to_left_texts_leave_what_stands_beside_them_alone(open_page, make, tmp_path):
    """Each run of Hebrew is where it was typed: what comes after it stands on its right."""
    hebrew = "\u05e9\u05dc\u05d5\u05dd"
    e = make(
        {(0, 1): 1.0, (0,): 0.2},
        ["never", "fails"],
        context={"score": hebrew, "score_unit": hebrew, "model": hebrew, "unit": hebrew,
                 "operator": hebrew},
        notes=(f"{hebrew} 77 (once)",),
        method=hebrew,
        scores={hebrew: 0.5, "gp": 0.4},
        observed=(1.0, 2.0),
    )  # fmt: skip
    page, _ = open_page([e, e], titles=[hebrew, f"{hebrew} 2"], one_at_a_time=True)
    # The box of each character, and of those around it: whether the text after the Hebrew begins
    # on its right in lines that begin left to right, and on its left in those that do not.
    wrong = page.evaluate(
        """() => {
          const wrong = [];
          const [main, texts] = [document.querySelector("main"), NodeFilter.SHOW_TEXT];
          const walker = document.createTreeWalker(main, texts);
          const place = (node, at) => {
            const range = document.createRange();
            range.setStart(node, at);
            range.setEnd(node, at + 1);
            return range.getBoundingClientRect();
          };
          while (walker.nextNode()) {
            const node = walker.currentNode;
            const told = node.data;
            if (node.parentElement.closest("script, noscript, style, option")) continue;
            if (getComputedStyle(node.parentElement).direction === "rtl") continue;
            const after = told.search(/[\u0590-\u05ff][^\u0590-\u05ff]*[0-9A-Za-z]/);
            if (after < 0) continue;
            const next = after + told.slice(after).search(/[0-9A-Za-z]/);
            const [a, b] = [place(node, after), place(node, next)];
            const isOneLine = a.width && b.width && Math.abs(a.top - b.top) < 4;
            if (isOneLine && b.left < a.left) wrong.push(told);
          }
          return wrong;
        }"""
    )
    assert wrong == []
    assert (
        page.locator(".notes li").first.evaluate("one => getComputedStyle(one).direction") == "rtl"
    )


def test_a_panel_that_goes_on_says_so(open_page, thousand, review):
    page, _ = open_page([thousand])
    goes_on = "document.querySelector('.stage').matches('.has-more')"
    assert page.evaluate(goes_on)
    # Again and again, for the page itself scrolls to what it draws first.
    to_the_end = "document.querySelector('.stage').scrollTop = 1e6"
    until(page, f"() => {{ {to_the_end}; return !{goes_on}; }}")
    page, _ = open_page([review])
    assert not page.evaluate(goes_on)


def test_without_scripts_the_findings_are_there(browser, tmp_path, review):
    path = tmp_path / "page.html"
    path.write_text(render_html([review]), encoding="utf-8")
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(path.as_uri())
    assert "never + fails raise the score" in page.locator("h1").inner_text()
    assert "never + fails: +1.44 nats" in page.locator("noscript").inner_text()
    context.close()


def test_hostile_text_is_inert(open_page, make, context_of):
    e = hostile(make, context_of)
    page, complaints = open_page([e], titles=[HOSTILE])
    page.locator("tbody tr").first.hover()
    page.locator(".reading [data-f='0']").click()
    assert page.evaluate("window.pwned") is None
    assert page.locator("img").count() == 0
    assert page.locator(".text").text_content() == e.context.text
    assert HOSTILE in page.locator(".asked").inner_text()
    assert "\U0001f600 + \u05e9\u05dc\u05d5\u05dd" in page.locator("h1").inner_text()
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


def test_page_stays_small(thousand):
    html = rendered(thousand)
    assert len(html.encode()) < 1_000_000
    assert not re.search(r"\bsrc=(?!\")", html)

"""Room for long units and long inputs; what scrolls inside of the page says so."""

import pytest

from report.conftest import until


@pytest.fixture
def sentences(make, context_of):
    said = [
        f"This is sentence number {i} of a review that goes on for quite some time, as they do."
        for i in range(9)
    ]
    parts = [{"heading": None, "segments": [[text + " ", i] for i, text in enumerate(said)]}]
    coefficients = {(i,): 0.3 for i in range(9)} | {(0, 4, 8): 0.8, (1, 2): -0.6}
    context = context_of(" ".join(said)) | {"parts": parts, "prompt": "A line.\n" * 60}
    return make(coefficients, said, context=context)


def test_a_table_of_long_units_has_the_whole_width(sentences, open_page):
    page, complaints = open_page([sentences])
    width = page.evaluate("document.querySelector('td.words').getBoundingClientRect().width")
    highest = page.evaluate(
        "Math.max(...[...document.querySelectorAll('tbody tr')].map(row => row.offsetHeight))"
    )
    assert width > 500 and highest < 100 and not complaints
    assert page.locator("td.words .label").first.get_attribute("title")


@pytest.mark.parametrize("width", [1280, 400])
def test_a_long_unit_takes_two_lines_and_all_with_the_focus(sentences, open_page, width):
    page, _ = open_page([sentences], width=width)
    height = "row => Math.max(...[...row.querySelectorAll('.label')].map(one => one.offsetHeight))"
    row = page.locator("tbody tr").first
    assert row.evaluate(height) <= 50
    row.focus()
    cut = "labels => labels.some(one => one.scrollHeight > one.offsetHeight + 1)"
    assert not row.locator(".label").evaluate_all(cut)


@pytest.mark.parametrize("width", [1280, 390, 320])
def test_the_labels_of_combinations_are_whole(sentences, open_page, width):
    page, _ = open_page([sentences], width=width)
    assert page.locator(".overlay .tag[data-m='0 4 8']").count() == 3  # on each of its lines
    cut = page.evaluate("""() => {
        const right = pages[0].canvas.getBoundingClientRect().right;
        const tags = [...document.querySelectorAll(".overlay .tag")];
        return tags.filter(tag => {
            const areaOf = (of) => tag.querySelector(of).getBoundingClientRect();
            const [box, text] = [areaOf("rect"), areaOf("text")];
            return text.right > box.right || text.left < box.left || box.right > right + 1;
        }).map(tag => tag.textContent);
    }""")
    assert cut == []


def test_a_text_that_has_room_does_not_scroll_inside(chat, thousand, open_page):
    page, _ = open_page([chat])
    stage = "one => one.scrollHeight - one.clientHeight"
    assert page.locator(".stage").evaluate(stage) <= 6
    page, _ = open_page([thousand])
    assert page.locator(".stage").evaluate(stage) > 100
    # What is drawn first is on the screen.
    assert page.evaluate("""() => {
        const [member] = membersOf(drawnRows(pages[0])[0]);
        const place = pages[0].units.get(member)[0].getBoundingClientRect();
        const box = pages[0].stage.getBoundingClientRect();
        return place.top >= box.top - 1 && place.bottom <= box.bottom + 1;
    }""")


def test_what_scrolls_says_so(sentences, open_page):
    page, _ = open_page([sentences])
    prompt = page.locator("pre", has_text="A line.").first
    until(page, "document.querySelector('pre.has-more') !== null")
    mark = "one => getComputedStyle(one, '::after').content"
    assert "more below" in prompt.evaluate(mark) and prompt.get_attribute("tabindex") == "0"
    prompt.evaluate("one => { one.scrollTop = one.scrollHeight; }")
    until(page, "document.querySelector('pre.has-past:not(.has-more)') !== null")


def test_rows_have_bars_on_a_telephone(documents, open_page):
    page, _ = open_page([documents], width=400)
    assert page.locator(".row-line .effect rect").first.bounding_box()["width"] > 20


def test_every_repeated_word_has_its_number(make, context_of, open_page):
    text = "I say I know what I know of CO\u2082"
    e = make({(0, 1): 1.0, (2,): 0.1}, text.split(), context=context_of(text))
    page, _ = open_page([e])
    told = page.eval_on_selector_all(".text .unit", "all => all.map(u => u.dataset.which ?? '')")
    assert told == ["\u2081", "", "\u2082", "\u2081", "", "\u2083", "\u2082", "", ""]

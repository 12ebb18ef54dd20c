import json
import re
from dataclasses import replace

import numpy as np
import pytest

import spex
from spex import Context, LogOdds
from spex.errors import ArgumentError
from spex.interactions.index import InteractionIndex
from spex.report import facts
from spex.report.html import page_data, render_html
from spex.report.page.script import MAX_COEFFICIENTS, MAX_ROWS
from spex.saving import Found
from spex.scores.log_probabilities import ResolvedProbability

HOSTILE = '<script>window.pwned=1</script><img src=x onerror="window.pwned=1">'


def hostile(make, context_of):
    word = HOSTILE.replace(" ", "\u00a0")
    text = (
        f"{word} 'quoted\" </style></textarea>--> {{{{7*7}}}} \U0001f600 \u05e9\u05dc\u05d5\u05dd"
    )
    words = text.split(" ")
    return make(
        {(0,): 1.0, (0, 1): 0.5, (1, 2): -0.4, (len(words) - 2, len(words) - 1): 2.0},
        words,
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


def data_of(html):
    """What the script of each section draws from."""
    found = re.findall(r'<script type="application/json" class="data">(.*?)</script>', html, re.S)
    return [json.loads(content) for content in found]


def level(value, largest=1.44):
    steps = int(10 * abs(value) / largest + 0.5)
    return f"{'p' if value > 0 else 'n'}{steps}" if steps else ""


def test_page_data_is_what_the_explanation_says(review):
    page = page_data(review, "FBII", 2)
    assert page.heading == "FBII up to order 2"
    assert page.headline.text == (
        "never + fails raise the score by 1.44 nats beyond what each does alone"
    )
    assert page.unit == "nats"
    assert page.kind == "Text"
    (block,) = page.blocks
    assert "".join(piece.text for piece in block.pieces) == "Her acting never fails to impress"
    # The same values, on the same scale as the combination.
    assert [piece.colour for piece in block.pieces if piece.feature is not None] == [
        *[level(review.interactions("FBII", 2).get((i,), 0.0)) for i in range(6)]
    ]  # fmt: skip
    assert page.scale == "1.44"
    assert page.gauge == (90.0, 93.0, 95.0)
    found = {fact.name: fact.value for fact in page.facts}
    assert found["Command"] == "spex explain --text review.txt"
    assert found["Evaluations"] == "300 (budget 300)"
    assert "gp 0.93, linear 0.40" in found["Method"]
    assert "Answer explained" not in found
    assert [fact.name for fact in page.asked] == ["Asked", "Score"]
    assert page.asked[0].value == "Review: [...]"


LONG = [
    '<tool_call>{"name": "pay", "arguments": {"amount": 9, "to": "' + to for to in ("Eve", "Bob")
]


@pytest.mark.parametrize(
    ("context", "told"),
    [
        (
            {"answer": None, "compared": tuple(LONG), "score": LogOdds(*LONG).summary},
            ["Answer", "Compared with", "log P(answer) - log P(compared with), nats"],
        ),
        (
            {"answer": None, "compared": ("yes", "no"), "score": LogOdds("yes", "no").summary},
            ['log P("yes") - log P("no"), nats'],
        ),
        (
            {"answer": 40 * "so ", "score": ResolvedProbability(40 * "so ").summary},
            ["Answer", "P(answer), nats"],
        ),
        ({"answer": "so", "score": 'log P("so")'}, ["Answer", 'log P("so"), nats']),
    ],
)
def test_no_answer_is_cut(review, context, told):
    explanation = replace(review, context=replace(review.context, **context))
    page = page_data(explanation)
    answers = list(context.get("compared") or [context["answer"]])[: len(told) - 1]
    assert [fact.name for fact in page.asked] == ["Asked", *told[:-1], "Score"]
    assert [fact.value for fact in page.asked[1:]] == [*answers, told[-1]]
    *made, score = page.facts[: len(told)]
    assert [fact.value for fact in made] == answers
    assert score.value == told[-1].replace("P(answer)", "P(answer explained)")
    saved = Found(json.loads(json.dumps(explanation.context.to_json())))
    assert Context.from_json(saved, explanation.n_features) == explanation.context


def test_python_print_page_and_file_give_the_same_numbers(review):
    values = review.interactions()
    (data,) = data_of(render_html([review]))
    view = data["views"][0]
    assert (view["index"], view["order"]) == (values.index, values.order)
    assert {tuple(row[0]): row[1] for row in view["rows"]} == dict(values)
    assert facts.heading(values) in repr(review)
    first = next(iter(values))
    assert facts.signed(values[first]) in repr(review)
    for view in data["views"]:
        asked = review.interactions(view["index"], view["order"])
        listed = {tuple(row[0]): row[1] for row in view["rows"]}
        assert listed == {key: value for key, value in asked.items() if key}
    assert len({(view["index"], view["order"]) for view in data["views"]}) == len(data["views"])


def test_intervals_and_stability_are_those_of_python(make):
    e = make(
        {(i,): 0.3 * i for i in range(1, 14)} | {(0, 1): -0.7},
        [f"w{i}" for i in range(14)],
        standard_errors=np.full(14, 0.05),
        unexplained=0.1,
    )
    values = e.interactions()
    rows = data_of(render_html([e]))[0]["views"][0]["rows"]
    stable = values.stability(10)
    for place, (members, _, low, high, share, unsure) in enumerate(rows):
        assert (low, high) == pytest.approx(values.interval(tuple(members)), rel=1e-5)
        assert share == (stable[tuple(members)] if place < 10 else None)
        assert unsure == (tuple(members) not in values.discoveries())


def test_headlines(make, numbers):
    single = page_data(make({(0,): -1.0, (0, 1): 0.01}, "ab")).headline
    assert single.text == "a raises the score by 2.00"
    assert "Strongest combination" in page_data(make({(0,): -1.0, (0, 1): 0.01}, "ab"), "FBII", 2
    ).headline.details[1]  # fmt: skip
    assert page_data(make({(0, 1, 2): 1.0}, "abc")).headline.text == (
        "a + b + c lower the score by 8.00 beyond what fewer of them do"
    )
    fourier = page_data(make({(0, 1): 1.0}, "abc"), "Fourier").headline.text
    assert fourier == "a + b: the score is higher by 2.00 when an even number of them is kept"
    doubt = make({(0,): 0.2, (0, 1): 0.1}, "ab", standard_errors=np.ones(2), unexplained=4.0)
    assert page_data(doubt).headline.text.startswith("No unit or combination has an effect")
    assert "which holds 0" in page_data(doubt).headline.details[1]
    poor = make({(0,): 0.2, (0, 1): 0.1}, "ab", r2=-0.09, r2_interval=(-0.21, 0.008))
    assert page_data(poor).headline.text == "The surrogate explains almost nothing of the score"
    # The strongest that is no noise, where the strongest of all may be.
    mixed = make({(0,): 0.3, (1,): 0.2}, "ab", standard_errors=np.array([1.0, 0.01]), unexplained=1)
    assert page_data(mixed).headline.text == "b lowers the score by 0.400"
    assert page_data(make({(): 1.0}, "ab", r2=1.0)).headline.text.startswith("No interactions")


def test_cautions(make, context_of):
    def told(coefficients, **changes):
        return " ".join(page_data(make(coefficients, "abc", **changes)).cautions)

    strong = {(0,): 1.0, (0, 1): 2.0}
    assert told(strong, r2=0.99) == ""
    assert "left unexplained" in told(strong, r2=0.2)
    assert "No combination was found with 300 evaluations" in told({(0,): 1.0})
    noisy = {"standard_errors": np.ones(2), "unexplained": 4.0}
    assert "no combination is clearly different from noise" in told(
        {(0,): 1.0, (0, 1): 0.5}, **noisy
    )
    assert "barely moves" in told(strong, r2=0.99, observed=(1.0, 1.1))
    assert "barely moves" not in told(strong, r2=0.99, observed=(1.0, 3.1))

    def improbable(whole, score, answer="Paris"):
        context = context_of("a b c", score=score, answer=answer)
        return told(strong, r2=0.99, observed=(whole, -20.0), context=context)

    assert "this answer a probability of only 0.2 %" in improbable(-6.0, 'log P("Paris")')
    assert improbable(-0.1, 'log P("Paris")') == ""
    assert improbable(-6.0, 'log P("a longer answer")', "a longer answer") == ""
    assert "Even with everything" in improbable(0.001, 'P("Paris")')
    assert improbable(-6.0, 'log P("yes") - log P("no")') == ""


def test_documents_are_rows_with_bar_number_and_score(documents):
    page = page_data(documents)
    assert page.kind == "Documents"
    assert [block.heading for block in page.blocks] == ["A title", None]
    assert [block.effect for block in page.blocks] == ["+1.00", "\N{MINUS SIGN}0.500"]
    assert [block.bar for block in page.blocks] == [(50.0, 50.0), (25.0, 25.0)]
    first, pinned = page.blocks[0].pieces
    assert (first.text, first.colour, first.says) == (
        "First text.", "p10", "A title: +1.00",
    )  # fmt: skip
    assert (pinned.text, pinned.feature) == ("\n", None)
    found = spex.Documents([{"title": "T", "text": "a", "score": 0.875}, "b"])
    assert found.parts[0].score == 0.875
    again = spex.Context.from_json  # a round trip through the file keeps it
    from spex.saving import Found

    content = spex.Context(parts=found.parts).to_json()
    assert again(Found(content), 2).parts == found.parts


def test_a_chat_is_bubbles(make):
    parts = [
        {"heading": "user", "segments": [["Hi.", 0], [" ", None], ["Help!", 1]]},
        {"heading": "assistant", "segments": [["Yes.", 2]]},
    ]
    page = page_data(make({(0, 2): 1.0}, ["Hi.", "Help!", "Yes."], context={"parts": parts}))
    assert page.kind == "Chat"
    assert [block.role for block in page.blocks] == ["user", "assistant"]
    assert all(block.feature is None for block in page.blocks)  # one turn has two units
    assert [(fact.name, fact.value) for fact in page.asked] == [("Asked", "Hi. Help!")]


def test_pictures_have_their_regions_over_them(picture):
    page = page_data(picture)
    assert page.kind == "Input"
    image, question = page.blocks
    assert image.picture[1:] == (40, 20)
    assert [piece.colour for piece in image.pieces] == ["p3", "n4"]
    assert image.pieces[0].says == "row 1, column 1: +0.400"
    assert question.picture is None
    html = render_html([picture])
    assert 'd="M20,0L40,0L40,20L20,20Z"' in html
    assert '<image href="data:image/png;base64,iVBOR' in html


def test_repeated_words_are_told_apart(make):
    e = make({(0, 1): 1.0}, ["never", "never", "never#1"])
    assert data_of(render_html([e]))[0]["labels"] == ["never\u2082", "never\u2083", "never#1"]


def test_chips_are_numbered_once(make):
    e = make({(0, 1): 1.0}, ["never", "never", "", " "])
    _, (block,) = page_data(e).kind, page_data(e).blocks
    chips = [piece.text for piece in block.pieces]
    assert chips == ["never\u2081", "never\u2082", "(blank)\u2081", "(blank)\u2082"]


def test_the_page_offers_every_index(review):
    offered = {view["index"] for view in data_of(render_html([review]))[0]["views"]}
    assert offered == set(map(str, InteractionIndex))


def test_numbers_stay_beside_labels_that_run_right_to_left(make):
    e = make({(0, 1): 1.0, (0,): 0.2, (2,): 0.3}, ["שלום", "b", "עברית"])
    shown = page_data(e, "FBII", 2)
    hebrew = f"\u2068{e.features[0]}\u2069"
    assert f"{hebrew}: " in shown.headline.details[1]
    assert shown.headline.text.startswith(f"{hebrew} + b ")
    assert any(row.startswith(f"{hebrew} + b: ") for row in shown.rows)
    assert shown.blocks[0].pieces[0].says.startswith(f"{hebrew}: ")


def test_predicted_scores_are_the_surrogate(review):
    found = {fact.name: fact.value for fact in page_data(review).facts}
    kept = review.predict(np.ones((1, 6), dtype=bool))[0]
    assert found["Everything kept"] == f"{facts.signed(kept)} nats by the surrogate"


def test_long_tables_say_what_they_leave_out(large):
    (data,) = data_of(render_html([large], "Fourier"))
    assert len(data["views"][0]["rows"]) == MAX_ROWS
    assert data["views"][0]["rest"].startswith("3,000 more, each at most ")


def test_large_spectra_are_left_out_and_that_is_said(make):
    coefficients = {(i, j): 1.0 for i in range(160) for j in range(i)}
    coefficients = {(j, i): value for (i, j), value in coefficients.items()}
    html = render_html([make(coefficients, [str(i) for i in range(160)])])
    (data,) = data_of(html)
    assert len(coefficients) > MAX_COEFFICIENTS and data["whatIf"] is None
    assert len(html.encode()) < 1_000_000
    assert "What-if is left out" in html


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
    outside = re.sub(r'const SVG = "http://www.w3.org/2000/svg";', "", html)
    assert not re.search(r"https?:|//[a-z]|@import|url\(", outside)
    assert "default-src 'none'" in html
    assert "unsafe" not in html
    assert "innerHTML" not in html


def test_texts_are_escaped(make, context_of):
    html = render_html([hostile(make, context_of)], titles=[HOSTILE])
    assert "<script>window" not in html
    assert "<img" not in html
    assert "</style></textarea>" not in html
    assert html.count("<script") == 2  # the data and the code
    assert "{{7*7}}" in html


def test_what_no_file_can_hold_is_replaced(make, tmp_path):
    explanation = make({(0,): 1.0}, ["\ud800\x00", "b"])
    explanation.to_html(tmp_path / "page.html")
    assert "\ufffd\ufffd" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_same_explanation_same_page(review):
    assert render_html([review]) == render_html([review])

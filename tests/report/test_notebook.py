"""What notebooks show: checked in an executed notebook and, for its looks, in a real browser."""

import re

import pytest

import spex
from spex.explanations import Explanations
from spex.report import facts
from spex.report.page.headline import headline


def test_combinations_are_marked_in_the_text(review):
    page = review._repr_html_()
    assert "<script" not in page and "http" not in page
    for drawing in re.findall(r'<svg class="spex-arcs".*?</svg>', page, re.S):
        assert drawing.count("<path") == drawing.count("spex-label") == 1
        assert ">+1.44</text>" in drawing
        at = {w: float(x) for x, w in re.findall(r'x="([0-9.]+)"[^>]*>(\w+)</text>', drawing)}
        feet = [float(x) for x in re.findall(r"M([0-9.]+) [0-9.]+V", drawing)]
        assert at["never"] < feet[0] < at["fails"] < feet[1] < at["to"]
    assert page.count('<svg class="spex-arcs"') == 2  # for wide and for narrow outputs


def test_what_is_not_drawn_has_numbers(make, context_of):
    text = "never fails " * 300
    words = text.split()
    page = make({(0, 1): 1.0}, words, context=context_of(text.strip()))._repr_html_()
    assert "spex-arcs" not in page.partition("</style>")[2]
    assert page.count("<sup>1</sup>") == 3  # two words and the row


def test_the_headline_is_told_first(review):
    page = review._repr_html_()
    told = headline(review, review.interactions(), review.features).text
    assert told.startswith("never + fails raise the score by 1.44")
    assert page.index(told) < page.index("Explains")


def test_a_comparison_is_a_table(review, make, context_of):
    text = "Her acting never fails to annoy"
    other = make({(2, 3): -0.36, (0,): 0.1}, text.split(), context=context_of(text))
    found = spex.compare(review, other, names=("a", "<b>"))
    page = found._repr_html_()
    assert "<script" not in page and "&lt;b&gt;" in page and "<b>" not in page
    assert "never + fails add together" in page and "only in a: impress" in page
    row = re.search(r"<tr><td>.*?never \+ fails</td></tr>", page, re.S)[0]
    largest = found.differences[0]
    for value in (largest.value, largest.a, largest.b):
        assert f">{facts.signed(value)}<" in row
    assert "No difference" in spex.compare(review, review)._repr_html_()


def test_foreign_text_stays_text(make, context_of):
    words = ["<script>alert(1)</script>", '"quoted"', "&amp;", "\N{GRINNING FACE}", "שלום"]
    page = make({(0, 1): 1.0, (2,): 1.0}, words, context=context_of(" ".join(words)))._repr_html_()
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page and "&amp;amp;" in page
    assert "\N{GRINNING FACE}" in page and "שלום" in page


def test_pictures_and_several_outputs(picture, review):
    page = picture._repr_html_()
    assert 'href="data:image/png;base64,' in page and page.count("<path") == 2
    several = Explanations({"first": review, "<second>": review})._repr_html_()
    assert several.count("<details") == 2 and several.count("<details open>") == 1
    assert "&lt;second&gt;" in several


def test_values_are_a_table(review):
    values = review.interactions("SV")
    page = values._repr_html_()
    assert page.count("<tr>") == 1 + len(values.top(12))
    assert "never" in page


def test_without_parts_and_without_interactions(numbers, make):
    assert "age + height" in numbers._repr_html_()
    assert "No interactions" in make({(): 1.0}, ["a", "b"], r2=1.0)._repr_html_()


NOTEBOOK = """
import spex
f = lambda m: m[:, 0] * m[:, 1] + 0.1 * m[:, 2]
e = spex.explain(f, ["never", "fails", "<i>"], budget=8, progress=True)
e
---
e.interactions("SV")
---
f = lambda m: 1.0 * m[:, :2]
spex.explain(f, ["a", "b"], budget=4)
---
e.plot(kind="text")
"""


@pytest.mark.slow  # starts a kernel
def test_an_executed_notebook(tmp_path):
    import nbformat
    from nbclient import NotebookClient

    cells = [nbformat.v4.new_code_cell(cell.strip()) for cell in NOTEBOOK.split("---")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": tmp_path}}).execute()
    results = [
        output["data"]
        for cell in notebook.cells
        for output in cell.outputs
        if output["output_type"] == "execute_result"
    ]
    assert len(results) == 4
    explanation, values, several, figure = results
    assert "never + fails" in explanation["text/html"] and "&lt;i&gt;" in explanation["text/html"]
    assert "R2 1.00" in explanation["text/plain"]
    assert 'class="spex-table"' in values["text/html"]
    assert several["text/html"].count("<details") == 2
    assert "image/png" in figure
    (bar,) = [
        output for output in notebook.cells[0].outputs if output["output_type"] == "display_data"
    ]
    assert bar["data"]["text/html"] == ""  # it is gone when all is done
    errors = [o for cell in notebook.cells for o in cell.outputs if o["output_type"] == "stream"]
    assert not errors

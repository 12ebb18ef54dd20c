import io
import re

import pytest
from rich.console import Console

from spex.errors import ArgumentError
from spex.report.terminal import view


def rendered(explanation, *, width=80, index=None, order=None, k=15, **settings):
    console = Console(file=io.StringIO(), width=width, **settings)
    console.print(view(explanation, index, order, k))
    return console.file.getvalue()


def test_no_colour_in_a_pipe_but_signs(review):
    text = rendered(review)
    assert "\x1b" not in text
    assert "Her acting never fails[-] to impress" in text
    assert "[-] lowers, [+] raises the score, by up to 1.44 nats" in " ".join(text.split())


def test_colour_on_a_terminal(review):
    text = rendered(review, force_terminal=True, color_system="truecolor")
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert "Her acting never fails to impress" in plain
    assert "[+]" not in plain
    assert re.search(r"\x1b\[[0-9;]*48;2;[0-9;]*mfails", text)


def test_no_color_is_heard(review, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    text = rendered(review, force_terminal=True, color_system="truecolor")
    assert not re.search(r"\x1b\[[0-9;]*(38|48);", text)
    assert "fails[-]" in text


def test_table_and_summary(review):
    text = rendered(review, index="Fourier", k=3, width=100)
    row = next(line for line in text.splitlines() if "never + fails" in line)
    assert row.split()[0] == "+0.360"
    assert "62 %" in row
    assert "4 more, each at most 0.100 in absolute value" in text
    assert "Explains 93 % of the variation (90 % interval 90 to 95 %)" in text
    assert "300 evaluations; method gp; model smollm2" in text
    assert "Note: The budget is small." in text


@pytest.mark.parametrize("width", [20, 40, 60, 200])
def test_fits_any_width(review, width):
    lines = rendered(review, width=width).splitlines()
    assert max(len(line.rstrip()) for line in lines) <= width
    assert any("+1." in line for line in lines)


def test_ascii_terminal(review):
    buffer = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    console = Console(file=buffer, width=80)
    console.print(view(review, "Fourier"))
    buffer.flush()
    assert b"####" in buffer.buffer.getvalue()


def test_labels_without_text(numbers):
    text = rendered(numbers)
    assert "age[-]  income  height[+]" in text


def test_documents_are_headed_by_their_titles(documents):
    assert rendered(documents).startswith("A title\nFirst text.[++]\n\n\nSecond text.[-]\n")


def test_pictures_are_maps_of_signs(picture):
    text = rendered(picture)
    assert text.startswith("++--\n++-.\n\nQuestion\nWhat[-] then\n")
    colours = rendered(picture, force_terminal=True, color_system="truecolor")
    assert re.search(r"\x1b\[[0-9;]*38;2;[0-9;]*m\+", colours)


def test_markup_in_a_text_is_text(make, context_of):
    text = "[red]never[/red] [link=x]fails[/link]"
    hostile = make({(0,): 1.0, (0, 1): 0.5}, text.split(), context=context_of(text))
    assert "[red]never[/red][--] [link=x]fails[/link]" in rendered(hostile)


def test_constant(make):
    assert "No interactions" in rendered(make({(): 1.0}, ["a", "b"], r2=1.0))


def test_an_index_without_values_is_not_a_constant(make):
    text = rendered(make({(0, 1): 1.0}, ["a", "b"]), index="BV")
    assert "Every value of this index and order is zero" in text
    assert "the same whatever" not in text


def test_no_rows_and_wrong_calls(review):
    assert "Interactions" not in rendered(review, k=0)
    with pytest.raises(ArgumentError, match="top=-1"):
        view(review, k=-1)
    with pytest.raises(ArgumentError, match="index"):
        view(review, "nonsense")


def test_large(large):
    assert len(rendered(large, index="Fourier").splitlines()) < 120

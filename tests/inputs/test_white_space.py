"""White space of masked texts: line breaks, blank lines, indentation and the ends of a text."""

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spex import Composite, Documents, Messages, Text, ValueFunction, zoom
from spex.errors import ArgumentError
from spex.models import TableModel
from spex.scores.log_probabilities import LogProb

UNITS = [
    "word",
    "sentence",
    "paragraph",
    "line",
    "token",
    "word:zh",
    "regex:[a-z]+",
    r"regex:\s*\w+[ \n]*",
    r"regex:(?m)^.*\n",
    r"regex:(?s)\(.*?\)",
]
FEW_SHOT = (
    "Review: dull and slow\nLabel: negative\n\nReview: a real joy\nLabel: positive\n\nReview: no"
)
CODE = "if x:\n    y = 1\n    z = 2"
CORES = ["a", "It is.", "b c,", "- no", "(d)", "(e\n f)", "x:", "今天天气", "é", "7"]
WHITES = ["", " ", "  ", "\t", "\n", "\r\n", "\r", "\n\n", " \n", "\n    ", "\n \t\n  ", "\r\n\r\n"]
WIDE_WHITES = ["\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029", "\xa0", "\u3000"]

cores = st.sampled_from(CORES)
whites = st.sampled_from([*WHITES, *WIDE_WHITES])
texts = st.tuples(whites, st.lists(st.tuples(cores, whites), min_size=1, max_size=9)).map(
    lambda parts: "(a) b.\n\nCd (e)\n" + parts[0] + "".join(map("".join, parts[1]))
)
ends = st.sampled_from(["", " ", "\n", "\t\r\n", "\n\n  "])


class Pairs:
    """A tokenizer that cuts every two characters, white space included."""

    def answer_tokens(self, answer):
        return list(itertools.pairwise([*range(0, len(answer), 2), len(answer)]))


def masks(n):
    return st.lists(st.booleans(), min_size=n, max_size=n)


def breaks(white):
    return len(f"a{white}b".splitlines()) - 1


def segments(text, spans, mask):
    """(start, stop) of what is kept, units and pinned text, without outer white space."""
    edges = [(0, 0), *spans, (len(text), len(text))]
    gaps = [(stop, start) for (_, stop), (start, _) in itertools.pairwise(edges)]
    units = [span for span, kept in zip(spans, mask, strict=True) if kept]
    for start, stop in sorted(map(tuple, [*units, *gaps])):
        if core := text[start:stop].strip():
            start += text[start:stop].index(core)
            yield start, start + len(core)


def opening(text):
    """The white space that a text begins with."""
    return text[: len(text) - len(text.lstrip())]


def closing(text):
    """The white space that a text ends with."""
    return text[len(text.rstrip()) :]


def check(text, spans, mask, masked):
    """Check the law of `spex.inputs.masked_text` between any two neighbours that are kept.

    Returns where the last one ends in the masked text; None if there is none.
    """
    position = before = None
    for start, stop in segments(text, spans, mask):
        rest = masked[position or 0 :]
        white = opening(rest)
        assert rest[len(white) :].startswith(text[start:stop])
        if before is not None:
            between = text[before:start]
            runs = re.findall(r"\s+", between)
            strongest = max([min(breaks(run), 2) for run in runs], default=0)
            assert min(breaks(white), 2) == strongest
            if strongest:
                # The line before ends as it did, and the line after has its own indentation.
                lines, left = f"a{between}b".splitlines(), f"a{white}b".splitlines()
                assert left[0] == "a" + closing(lines[0][1:])
                assert left[-1] == opening(lines[-1]) + "b"
            else:
                assert white in ["", *runs]
        position = (position or 0) + len(white) + stop - start
        before = stop
    return position


@pytest.mark.parametrize("unit", UNITS)
@given(data=st.data(), text=texts)
def test_line_breaks_between_what_is_kept_stay(unit, data, text):
    masker = Text(text, unit=unit, tokenizer=Pairs())
    spans = masker.describe()["spans"]
    mask = data.draw(masks(len(spans)))
    masked = masker.mask_text(mask)
    check(text, spans, mask, masked)
    assert masker.mask_text([True] * len(spans)) == text
    # The same wherever a text can stand.
    options = {"unit": unit, "tokenizer": Pairs()}
    framed = Text(text, prompt="In:\n{input}\n\nOut:", **options)
    assert framed.render(mask).text == f"In:\n{masked}\n\nOut:"
    chat = Messages([{"role": "user", "content": text}], **options)
    assert chat.render(mask).text == masked
    document = Documents([text], question="Who?", **options)
    question = f"{masked}\n\nQuestion: Who?" if masked.strip() else "\n\nQuestion: Who?"
    assert document.render(mask).text == question
    both = Composite(masker, framed).render([*mask, *mask]).text
    assert both == "\n\n".join([masked, framed.render(mask).text][not masked :])


@given(
    data=st.data(),
    lines=st.lists(
        st.tuples(
            st.sampled_from(["", "  ", "\t"]),
            st.lists(st.sampled_from(["a", "b:", "7,"]), max_size=3),
            st.sampled_from(["", " "]),
            st.sampled_from(["\n", "\r\n", "\u2028"]),
        ),
        max_size=6,
    ),
)
def test_words_of_lines(data, lines):
    # By lines: what is left of a line keeps its indentation and its end; the rest is left out.
    lines = [("", ["x"], "", "\n"), *lines, ("", ["y", "z"], " ", "")]
    text = "".join(
        indentation + " ".join(words) + (ending if words else "") + line_break
        for indentation, words, ending, line_break in lines
    )
    masker = Text(text)
    mask = data.draw(masks(masker.n_features))
    kept = iter(mask)
    left = []
    for indentation, words, ending, _ in lines:
        some = " ".join(word for word in words if next(kept))
        left.append((bool(words), some and indentation + some + ending))
    # A blank line stays between lines that it separated.
    expected = []
    blank = False
    for had_words, line in left:
        if line:
            expected += ["", line] if blank and expected else [line]
        blank = not line and (blank or not had_words)
    masked = masker.mask_text(mask)
    if not any(mask):
        assert masked == " "
    elif mask[-1] or mask[-2]:
        # Several blank lines may stay several.
        assert re.sub(r"\n{3,}", "\n\n", re.sub(r"\r\n|\u2028", "\n", _blank(masked))) == "\n".join(
            expected
        )


def _blank(text):
    """The text with nothing in its blank lines."""
    return "".join(
        line if line.strip() else line.lstrip(" \t") for line in text.splitlines(keepends=True)
    )


@given(data=st.data(), text=texts, lead=ends, end=ends)
def test_the_white_space_at_the_ends_stays(data, text, lead, end):
    whole = lead + text.rstrip() + end
    masker = Text(whole)
    mask = data.draw(masks(masker.n_features))
    masked = masker.mask_text(mask)
    spans = masker.describe()["spans"]
    first = next((start for (start, _), kept in zip(spans, mask, strict=True) if kept), None)
    if first is None:
        assert masked == lead + end
        return
    # In front: line breaks stay; then the indentation of the first line that is left.
    line = f"{whole[:first]}b".splitlines()[-1]
    front = "".join(part for part in lead.splitlines(keepends=True) if breaks(part))
    assert masked.startswith(front + opening(line) + whole[first])
    # At the back: as it was, but that the last line that is left ends as it did.
    stop = check(whole, spans, mask, masked)
    last = max(stop for (_, stop), kept in zip(spans, mask, strict=True) if kept)
    own = closing(f"a{whole[last:]}b".splitlines()[0][1:])
    assert masked[stop:] == (own + end.lstrip(" \t") if breaks(end) else end)


@pytest.mark.parametrize(
    ("text", "unit", "left_out", "expected"),
    [
        (FEW_SHOT, "word", [11], FEW_SHOT.replace(" positive", "")),
        (FEW_SHOT, "word", [4, 5], FEW_SHOT.replace("Label: negative\n", "")),
        (FEW_SHOT, "line", [1], FEW_SHOT.replace("Label: negative\n", "")),
        ("Name: Ann\nCity: Oslo\nPet: cat", "word", [1, 3, 5], "Name:\nCity:\nPet:"),
        ("One here. Two there.\n\nThree.", "sentence", [1], "One here.\n\nThree."),
        ("Items:\r\n- milk\r\n- eggs", "word", [2], "Items:\r\n-\r\n- eggs"),
        (CODE, "word", [4], "if x:\n    y =\n    z = 2"),
        (CODE, "word", [2], "if x:\n    = 1\n    z = 2"),
        (CODE, "word", [2, 3, 4], "if x:\n    z = 2"),
        (CODE, "word", [0, 1], "    y = 1\n    z = 2"),
        (CODE, "line", [0], "    y = 1\n    z = 2"),
        ("if x:\n    y\n        z", "word", [2], "if x:\n        z"),
        ("A X\n\nB", "word", [1], "A\n\nB"),
        ("A\n\nX\nB", "word", [1], "A\n\nB"),
        ("A\nX\n\nB", "word", [1], "A\n\nB"),
        ("A\nX\nB", "word", [1], "A\nB"),
        ("A\nX  \n\nB", "word", [1], "A\n\nB"),
        ("A X  \nB", "word", [1], "A  \nB"),
        ("A\nB X\n", "word", [1, 2], "A\n"),
        ("A\nB \n", "word", [1], "A\n"),
        ("  A\nB", "word", [0], "B"),
        ("unbroken word", "regex:brok|en|un", [1, 2], "un word"),
        # A line break inside a unit that is left out separated its neighbours, too.
        ("One. Hard\nwrapped text. Two.", "sentence", [1], "One.\nTwo."),
        ("f(1, 2) + 3", r"regex:\(.*?\)|\d", [0], "f + 3"),
    ],
)
def test_examples(text, unit, left_out, expected):
    masker = Text(text, unit=unit)
    mask = [number not in left_out for number in range(masker.n_features)]
    assert masker.mask_text(mask) == expected


def test_white_space_alone_is_no_unit():
    text = "a\n\nb\nc"
    assert Text(text, unit=r"regex:.*\n").features == ("a\n", "b\n")
    with pytest.raises(ArgumentError, match=r"matches nothing .*white space does not count"):
        Text(text, unit=r"regex:\s+")


def test_replacing_keeps_all_white_space():
    text = "  a\r\n\tb c \n\nd"
    assert Text(text, operator="mask:_").mask_text([0, 1, 0, 0]) == "  _\r\n\tb _ \n\n_"
    lines = Text(CODE, unit=r"regex:(?m)^.*\n", operator="mask:pass")
    assert lines.mask_text([1, 0]) == "if x:\n    pass\n    z = 2"


def test_a_close_up_keeps_line_breaks():
    seen = set()

    def says(prompt, answer):
        seen.add(prompt)
        return -1.0 - prompt.count("a")

    value = ValueFunction(Text("a b\nc d\n\ne f\n  g a"), TableModel(says), LogProb("yes"))
    zoom(value, "line", budget=60, top=2)
    assert {"a b\nc d", "e f\n  g a", "a\nc d\n\ne f\n  g a"} <= seen
    assert not any(re.search("[ab][ ]?[cd]|[cd] ?[ef]|[ef] ?[g]", prompt) for prompt in seen)

"""Units of a text beyond those of test_text: lines, tokens, other languages, graphemes."""

import itertools
import textwrap
from importlib import import_module

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spex import Text
from spex.errors import ArgumentError, MissingExtraError
from spex.inputs.segmentation import unit_spans

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"  # three people joined into one emoji
FLAG = "\U0001f1e9\U0001f1ea"
ACCENT = "e\u0301"  # e and a combining accent
CODE = "def f(x):\n    if x:\n        y = 1\n\n    return x  \n"


class Pieces:
    """A tokenizer that cuts every `size` characters, white space included."""

    def __init__(self, size=2):
        self.size = size

    def answer_tokens(self, answer):
        return list(itertools.pairwise([*range(0, len(answer), self.size), len(answer)]))


def ones(masker):
    return [True] * masker.n_features


# --- lines ---------------------------------------------------------------------------------------


def test_lines_bring_their_indentation_along():
    masker = Text(CODE, unit="line")
    assert masker.features == ("def f(x):", "    if x:", "        y = 1", "    return x")
    assert masker.mask_text([1, 0, 0, 1]) == "def f(x):\n\n    return x  \n"
    assert masker.mask_text([1, 0, 1, 1]) == "def f(x):\n        y = 1\n\n    return x  \n"
    assert masker.mask_text([1, 0, 1, 0]) == "def f(x):\n        y = 1\n"


def test_a_replaced_line_keeps_its_place():
    masker = Text(CODE, unit="line", operator="mask:pass")
    assert masker.mask_text([1, 1, 0, 1]) == CODE.replace("y = 1", "pass")


@given(st.text(st.sampled_from("ab \t\r\n\x0b\x85\u2028\u2029"), max_size=40))
def test_every_line_break_ends_a_line(text):
    text = f"x\n{text}\ny"
    masker = Text(text, unit="line")
    assert masker.mask_text(ones(masker)) == text
    assert "".join(piece for piece, _ in masker.segments) == text
    assert all("\n" not in unit and "\r" not in unit and unit.strip() for unit in masker.features)


# --- tokens --------------------------------------------------------------------------------------


def test_tokens_are_those_of_the_tokenizer():
    masker = Text("unbelievable cat", unit="token", tokenizer=Pieces(4))
    assert masker.features == ("unbe", "liev", "able", "cat")
    assert masker.mask_text([1, 0, 1, 1]) == "unbeable cat"
    assert masker.mask_text([1, 1, 1, 0]) == "unbelievable"


@given(
    st.text(max_size=30),
    st.integers(1, 4),
    st.sampled_from(["delete", "mask"]),
)
def test_tokens_of_any_text_cover_it(text, size, operator):
    text = f"abcde {text} fghij"  # two tokens at least, whatever joins the characters between
    masker = Text(text, unit="token", operator=operator, tokenizer=Pieces(size))
    assert masker.mask_text(ones(masker)) == text
    pinned = "".join(piece for piece, number in masker.segments if number is None)
    assert not pinned.strip()


def test_tokens_without_a_tokenizer_are_bound_later():
    masker = Text("one two three", unit="token")
    with pytest.raises(ArgumentError, match="needs the model's tokenizer: give the masker to a"):
        _ = masker.features
    assert masker.with_tokenizer(Pieces(4)).features == ("one", "two", "thre", "e")
    bound = Text("one two", unit="token", tokenizer=Pieces(4))
    assert bound.with_tokenizer(Pieces(1)) is bound
    words = Text("one two")
    assert words.with_tokenizer(Pieces(1)) is words


# --- languages -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("今天天气很好。我们去公园吧！好吗？", ["今天天气很好。", "我们去公园吧！", "好吗？"]),
        ("今日は雨です。傘を持って行こう。", ["今日は雨です。", "傘を持って行こう。"]),
        ("यह पहला वाक्य है। यह दूसरा है।", ["यह पहला वाक्य है।", "यह दूसरा है।"]),
        ("هل أنت بخير؟ نعم أنا بخير.", ["هل أنت بخير؟", "نعم أنا بخير."]),
        ("Это первое. А это второе!", ["Это первое.", "А это второе!"]),
        ("Γεια σου. Τι κάνεις;", ["Γεια σου.", "Τι κάνεις;"]),
        ("¿Qué tal? ¡Muy bien!", ["¿Qué tal?", "¡Muy bien!"]),
    ],
)
def test_sentences_of_other_scripts(text, sentences):
    assert list(Text(text, unit="sentence").features) == sentences


def test_sentences_with_the_abbreviations_of_a_language():
    text = "Das gilt z.B. bzw. usw. Dr. Müller ging. Er kam wieder."
    assert Text(text, unit="sentence:de").features[-1] == "Er kam wieder."
    assert Text(text, unit="sentence:de").describe()["unit"] == "sentence:de"


# --- sentences over lines ------------------------------------------------------------------------

PROSE = {
    "en": "When Doctor Smith came to the Royal Hospital of Saint Mary in London on a Monday in May "
    "2021 he met Anna (the Director of Surgery), who said that 12 Nurses were ill. They had "
    "Influenza, as Professor Brown of Harvard found out. It cost $3.50 for each of them; John "
    "paid: nobody knows why. In the end the Hospital had to close.",
    "de": "Das Haus der Familie Müller stand am Rand des Dorfes neben der Kirche, deren Turm der "
    "Blitz im Jahr 1911 zerstört hatte. Die Kinder spielten im Garten Ball und Fangen. Der Hund "
    "des Nachbarn bellte Tag und Nacht, und niemand wusste, wann er schlief.",
}


@pytest.mark.parametrize("width", [60, 66, 72, 80, 100])
@pytest.mark.parametrize("language", PROSE)
@pytest.mark.parametrize("line_break", ["\n", "\r\n"])
def test_sentences_run_over_the_line_breaks_of_hard_wrapped_text(language, width, line_break):
    flat = Text(PROSE[language], unit=f"sentence:{language}").features
    assert len(flat) >= 3
    wrapped = line_break.join(textwrap.wrap(PROSE[language], width))
    found = Text(f"A title\n\n{wrapped}", unit=f"sentence:{language}").features
    assert [" ".join(sentence.split()) for sentence in found] == ["A title", *flat]


@pytest.mark.parametrize(
    "lines",
    [
        ["Buy:", "- milk", "- eggs and bread", "- tea"],
        ["* Buy milk and oil", "* go home"],
        ["1. Buy some more milk", "2. buy some eggs", "10) rest"],
        ["a) is it red", "b) is it blue"],
        ["\u2022 the first of them", "\u2022 the second"],
        ["milk", "eggs and bread", "a cup of tea"],
        ["Fast delivery worldwide", "Secure payments with all cards", "Free returns"],
        ["| a | b |", "|---|---|", "| one | two |"],
        ["name,age,city", "ann,34,oslo", "bob,25,rome"],
        ["name\tage of them", "ann\t34", "bob\t25"],
        ["Name of person   age", "ann b. c         34", "bob              25"],
        ["2024-05-01 12:00:01 connection to the host was lost", "2024-05-01 12:00:02 retry"],
        ["[info] the server was started", "[warn] port in use"],
        ["ERROR the disk is full", "INFO cleaned up"],
        ["May  5 12:00:01 host sshd: failed for root", "May  5 12:00:02 host sshd: closed"],
        ["# A title", "the text under it"],
        ["Some other title", "================", "and text"],
        ["Introduction", "The text under it"],
        ["Review: dull and slow", "Label: negative"],
        ["Ann: how are you", "Bob: i am well"],
        ["Jane Doe", "12 High Street", "London"],
        ["> he said that", "> she said that"],
        ["1.2.3.4 - - GET /index of 200", "1.2.3.5 - - GET /index of 404"],
        ["level=info msg=started", "level=warn msg=stopped at once"],
        ["Failed in thread main", "    at com.example.Main.run(Main.java:3)"],
        ['"name of it": "Ann"', '"city of it": "Oslo"'],
        ["\u2460 the first one", "\u2461 the second one"],
        ["One is a line that somebody wrote without any full stop at its end", "Two is another"],
    ],
    ids=lambda lines: lines[0],
)
@pytest.mark.parametrize("line_break", ["\n", "\r\n"])
def test_sentences_end_at_the_line_breaks_of_lists_tables_and_logs(lines, line_break):
    found = Text(line_break.join(["It is so.", "", *lines]), unit="sentence")
    # A full stop may end a sentence inside a line, too; what underlines a line belongs to it.
    words = [line.split()[0] for line in lines if line.strip("|-=")]
    assert {line.split()[0] for line in found.features} >= set(words)
    assert not any("\n" in sentence.rstrip("|-=\r\n") for sentence in found.features)
    assert found.mask_text([True] * found.n_features) == found.text


@pytest.mark.parametrize(
    ("text", "starts"),
    [
        ("# One\nA b.\n\nC.\n## Two\n\nD.", ["# One", "## Two"]),
        ("Before.\n\nTitle\n=====\n\nA.\n\nOther one\n---\nB.", ["Before.", "Title", "Other"]),
        ("CHAPTER I\n\nDown the hole.\n\nA.\n\nChapter 2: more\n\nB.", ["CHAPTER I", "Chapter 2"]),
        ("THE POOL OF TEARS\n\nShe wept.\n\nIt WAS SO.\n\nA RACE\n\nB.", ["THE POOL", "A RACE"]),
        ("Part of it was old.\nSECOND line.\n\nB.", ["Part of"]),  # no heading at all
        ("# Title\n\n## First\n\nA.", ["# Title"]),  # one right after another
    ],
)
def test_sections_begin_at_headings(text, starts):
    sections = [text[start:stop] for start, stop in unit_spans(text, "section")]
    assert len(sections) == len(starts)
    for section, start in zip(sections, starts, strict=True):
        assert section.startswith(start)
    assert "".join(text.split()) == "".join("".join(sections).split())


def test_items_of_several_lines():
    items = ("- Buy milk and\n  some eggs", "- leave the shop, then\n  go home.")
    assert Text("\n".join(items), unit="sentence").features == items


def test_words_of_languages_without_spaces():
    import_module("budoux")
    chinese = Text("今天是个好天气,我们去公园散步。", unit="word:zh")
    assert chinese.n_features > 3
    assert "".join(chinese.features) == chinese.text
    japanese = Text("今日は天気です。 \n明日は雨でしょう。", unit="word:ja")
    assert japanese.mask_text(ones(japanese)) == japanese.text
    assert japanese.n_features > 3
    assert japanese.features[0].startswith("今日")


def test_missing_library_for_words(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "budoux", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'spex-explain\[cjk\]'"):
        Text("今天是个好天气", unit="word:zh")


def test_one_word_without_spaces_gets_advice():
    with pytest.raises(ArgumentError, match="not separated by spaces: use 'word:zh'"):
        Text("今天是个好天气")


@pytest.mark.parametrize(
    "unit", ["word:de", "word:", "sentence:", "sentence:DE", "line:3", "tokens"]
)
def test_unknown_units(unit):
    with pytest.raises(ArgumentError, match=r"is unknown.*; use 'word'.*'line', 'token'"):
        Text("a b", unit=unit)


# --- graphemes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("cluster", [FAMILY, FLAG, ACCENT, "한"])
def test_no_unit_cuts_a_grapheme(cluster):
    text = f"a{cluster}b {cluster}{cluster}"
    # Every character a unit of its own, as far as graphemes allow.
    expected = ("a", cluster, "b", cluster, cluster)
    assert Text(text, unit="regex:.", operator="delete").features[:3] == expected[:3]
    assert Text(text, unit="token", tokenizer=Pieces(1)).features == expected


@given(
    st.lists(st.sampled_from([FAMILY, FLAG, ACCENT, "a", " ", "\u0301", "\u0600", "\r\n"])).map(
        "".join
    ),
    st.integers(1, 3),
)
def test_tokens_never_cut_a_grapheme(text, size):
    regex = import_module("regex")
    text = f"xxxx {text} yyyy"
    units = Text(text, unit="token", tokenizer=Pieces(size)).features
    # Cut into graphemes by themselves, the units give no more than the whole text does.

    def n_graphemes(part):
        return sum(len(regex.findall(r"\X", word)) for word in part.split())

    assert sum(map(n_graphemes, units)) == n_graphemes(text)

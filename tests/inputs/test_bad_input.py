"""What can be wrong with an input, a score or a function: one line says what, limit and remedy."""

import numpy as np
import pandas as pd
import pytest

import spex
from spex.models import FunctionModel, TableModel

TWO = spex.Text("good film")
PICTURE = np.zeros((8, 8, 3), np.uint8)
CHAT = [{"role": "user", "content": "a b"}]
TURNS = [*CHAT, {"role": "assistant", "content": "c"}, *CHAT]
HALF = "half of a pair \ud800"
NAN = float("nan")
# In single bytes, in which an "a" and an "e" with accents are no UTF-8.
LATIN = "na\xefve film".encode("latin-1")


def table(value):
    return TableModel(lambda prompt, answer: value)


def explained(f, features=3, **options):
    return spex.explain(f, features, **{"budget": 8, **options})


def scored(score=None, model=None, masker=TWO):
    value = spex.ValueFunction(masker, table(-1.0) if model is None else model, score)
    return spex.explain(value, budget=4)


def messages(*turns, **options):
    return spex.Messages([{"role": role, "content": text} for role, text in turns], **options)


def predicted(outputs, **options):
    return spex.explain(
        spex.PredictFunction(TWO, lambda texts: outputs(len(texts)), **options), budget=4
    )


# (what is done, what the line says)
MASKERS = [
    # Texts
    (lambda: spex.Text(""), "text is empty; give a text with at least two units"),
    (lambda: spex.Text(" \n"), "text is empty"),
    (lambda: spex.Text(None), "text must be a str, not NoneType"),
    (lambda: spex.Text(LATIN), "text must be a str, not bytes"),
    (lambda: spex.Text(HALF), "(character 15), which no model can read; decode its bytes"),
    (lambda: spex.Text("one"), "only one unit of kind 'word'; nothing to attribute; give a longer"),
    (lambda: spex.Text("a b", unit="sentence"), "use a finer unit such as 'word'"),
    (lambda: spex.Text("a b", unit="letter"), "unit='letter' is unknown; use 'word', 'sentence'"),
    (lambda: spex.Text("a b", unit=3), "unit=3 is unknown; use 'word'"),
    (lambda: spex.Text("a b", unit="word:xx"), "'word:LANGUAGE' (ja, th, zh, zh-hant)"),
    (lambda: spex.Text("a b", unit="regex:("), "'(' is not a regular expression (missing )"),
    (lambda: spex.Text("a b", unit="regex:x"), "'x' matches nothing in the text 'a b'"),
    (lambda: spex.Text("a b", unit="token").features, "needs the model's tokenizer: give the"),
    (lambda: spex.Text("a b", operator="zap"), "operator='zap' is unknown; use 'delete', 'mask'"),
    (lambda: spex.Text("a b", operator=None), "operator=None is unknown; use 'delete'"),
    (lambda: spex.Text("a b", operator="mask:"), "names no text; to remove, use 'delete'"),
    (lambda: spex.Text("a b", prompt="no"), "{input} 0 times; write it exactly once, where the"),
    (lambda: spex.Text("a b", prompt="{input}{input}"), "{input} 2 times; write it exactly once"),
    (lambda: spex.Text("a b", prompt=3), "prompt must be a str or None, not int"),
    (lambda: spex.Text("a b", prompt="{input}" + HALF), "prompt holds half of a surrogate pair"),
    (lambda: spex.Text("a b", system=3), "system must be a str or None, not int"),
    (lambda: spex.Text("a b", system=HALF), "system holds half of a surrogate pair"),
    (lambda: TWO.render([1]), "mask has shape (1,); for 2 features, give an array of"),
    # Documents
    (lambda: spex.Documents([]), "documents is empty; give at least two, or one with unit="),
    (lambda: spex.Documents(None), "documents is a NoneType; give a list of texts, of pairs"),
    (lambda: spex.Documents("a b"), "documents is a str; give a list of texts"),
    (lambda: spex.Documents(["", "a"]), "document 0 is empty; leave it out"),
    (lambda: spex.Documents(["a"]), "have one unit of kind 'document'; nothing to attribute; give"),
    (lambda: spex.Documents([1, 2]), "document 0 has a int as its text; give a str"),
    (lambda: spex.Documents([{"body": "a"}, "b"]), "unknown key 'body'; use 'title' and 'text'"),
    (lambda: spex.Documents([{"title": "a"}, "b"]), "document 0 has no key 'text'"),
    (lambda: spex.Documents([("a\nb", "c"), "d"]), r"its title 'a\nb' is not one line of text"),
    (lambda: spex.Documents([("a", "b", "c")]), "is a sequence of 3; give (title, text)"),
    (lambda: spex.Documents(["a", HALF]), "document 1 holds half of a surrogate pair"),
    (lambda: spex.Documents(["a", "b"], question=" "), "give a text, or None for no question"),
    (lambda: spex.Documents(["a", "b"], question=HALF), "question holds half of a surrogate pair"),
    (lambda: spex.Documents(["a", "b"], "q", prompt="{input}"), "write it where the question goes"),
    (lambda: spex.Documents(["a", "b"], prompt="{input}{question}"), "no question is given; give"),
    (lambda: spex.Documents(["a", "b"], unit="message"), "'message' is unknown; use 'document'"),
    # Chats
    (lambda: spex.Messages([]), "messages is empty; give at least one message of the user"),
    (lambda: spex.Messages("hello"), "messages is a str; give a list of mappings with the keys"),
    (lambda: spex.Messages(["a"]), "message 0 is a str; give a mapping with the keys 'role'"),
    (lambda: spex.Messages([{"role": "user"}]), "has the keys 'role'; give exactly 'role' and"),
    (lambda: messages(("bot", "a"), ("user", "b")), "has the role 'bot'; use one of system, user"),
    (lambda: messages(("user", "a"), ("assistant", "b")), "leave the answer out of them, and"),
    (
        lambda: messages(("user", ["a"])),
        "message 0, part 0, is no text, which is not read; give {'type'",
    ),
    (
        lambda: messages(("user", "a")),
        "one unit of kind 'message'; nothing to attribute; pin fewer",
    ),
    (lambda: messages(("user", ""), ("user", "a")), "one unit of kind 'message'"),
    (lambda: messages(("user", "a b"), unit="word", pinned=["user"]), "no unit of kind 'word'"),
    (
        lambda: messages(("user", "a b"), pinned=[9]),
        "9 is neither a role (system, user",
    ),
    (lambda: messages(("user", "a b"), pinned="user"), "give a list of roles or numbers of"),
    # Pictures
    (lambda: spex.Image("missing.png"), "No such file or directory; give a file such as PNG"),
    (lambda: spex.Image(__file__), "cannot be read as a picture: cannot identify image file"),
    (lambda: spex.Image("."), "Is a directory; give a file such as PNG"),
    (lambda: spex.Image(None), "image is a NoneType; give a path, the bytes of a file, a PIL"),
    (lambda: spex.Image(np.zeros(5)), "image has shape (5,); give (height, width), or"),
    (lambda: spex.Image(np.zeros((0, 8, 3))), "image has shape (0, 8, 3): there are no pixels"),
    (lambda: spex.Image(np.full((8, 8), NAN)), "values from nan to nan; give floats in [0, 1]"),
    (lambda: spex.Image(PICTURE.astype(int)), "values of type int64; give uint8, or floats"),
    (
        lambda: spex.Image(PICTURE, unit="grid:9x9"),
        "does not fit a picture of 8x8 pixels",
    ),
    (lambda: spex.Image(PICTURE, unit="grid:0x3"), "use 1 to 8 columns and 1 to 8 rows"),
    (lambda: spex.Image(PICTURE, unit="grid:1x1"), "gives one region; nothing to attribute; use"),
    (lambda: spex.Image(PICTURE, unit="superpixels:100"), "use 2 to 64 superpixels"),
    (lambda: spex.Image(PICTURE, unit="word"), "use 'grid:COLUMNSxROWS' such as 'grid:8x6', or"),
    (lambda: spex.Image(PICTURE, operator="delete"), "'delete' is unknown; use 'mean', 'grey'"),
    (lambda: spex.Image(PICTURE, operator="blur:0"), "'blur:SIGMA' (in pixels) or 'inpaint'"),
    (lambda: spex.Image(PICTURE, prompt=HALF), "prompt holds half of a surrogate pair"),
    # Tables
    (lambda: spex.Table([1, 2], np.zeros((0, 2))), "background has no rows; give at least one"),
    (lambda: spex.Table([1], [[1]]), "one column; nothing to attribute; give more columns"),
    (lambda: spex.Table([1, 2], [[1, 2, 3]]), "background has 3 columns; give (3,)"),
    (lambda: spex.Table([1, 2], [1, 2]), "give (n_rows, n_columns), or a DataFrame"),
    (lambda: spex.Table([1, 2], [[1, 2], [1]]), "background is no array: setting an array element"),
    (lambda: spex.Table({"a": 1}, pd.DataFrame({"a": [1], "b": [2]})), "different columns: 'b'"),
    # Several maskers
    (lambda: spex.Composite(TWO), "1 maskers; give at least two, such as Image and Text"),
    (lambda: spex.Composite(TWO, 3), "a int is no masker; give Image, Text, ..."),
    (lambda: spex.Composite(TWO, spex.Table([1, 2], np.eye(2))), "give it one background row"),
]
FUNCTIONS = [
    # Models, and scores of theirs
    (lambda: scored(masker="good film"), "masker is a str; wrap it: ValueFunction(Text('...')"),
    (lambda: scored(masker=3), "a int gives no prompts; explain a function of it with"),
    (lambda: scored(model="gpt"), "model 'gpt' is unknown; use 'smollm2', 'hf:FOLDER_OR_HUB_NAME'"),
    (lambda: scored(model=3), "model is a int, no language model; give a name such as"),
    (lambda: scored(masker=spex.Image(PICTURE)), "takes no images; use a model that does"),
    (
        lambda: scored(masker=spex.Composite(TWO, spex.Messages(TURNS))),
        "a chat of several turns cannot be one of several maskers; explain it by itself",
    ),
    (
        lambda: scored(masker=spex.Composite(*[spex.Text("a b", system=s) for s in "ab"])),
        "several maskers have system messages; give it to one of them",
    ),
    (
        lambda: scored(masker=spex.Composite(TWO, spex.Table([1, 2], [[1, 2]]))),
        "a Table gives no prompts for a model; explain a function of it with spex.PredictFunction",
    ),
    (lambda: scored("logprob"), "score='logprob' is no score; use LogProb, LogOdds"),
    (lambda: spex.LogProb(""), "answer is empty; give an answer to score"),
    (lambda: spex.LogProb("a", reduce="max"), "reduce='max' is unknown; use 'sum' or 'mean'"),
    (lambda: spex.LogProb("a", span="b"), "span='b' does not occur in the answer 'a'"),
    (lambda: spex.LogProb("aa", span="a"), "more than once in the answer 'aa'; give (start, stop)"),
    (lambda: spex.LogOdds("a", "a"), "a and b are both 'a'; the log-odds would be 0 throughout"),
    (lambda: spex.Probability(3), "answer must be a str, not int"),
    (lambda: spex.Similarity(" "), "give one, or None for the model's own reply"),
    (lambda: spex.Similarity("a", 0), "max_new_tokens=0; it must be a whole number of at least 1"),
    (lambda: spex.Matches("("), "pattern: '(' is not a regular expression (missing )"),
    (lambda: spex.JsonField("", 1), "path='' is no path; write names joined by dots"),
    (lambda: spex.JsonField("a", NAN), "give a str, a finite number, a bool or None"),
    (lambda: scored(model=TableModel(lambda p, a: -1.0, "")), "is empty; give the answer to"),
    (lambda: scored(spex.LogProb("x"), table(NAN)), "returned nan, no finite number (1 of 1 mask"),
    (lambda: scored(spex.LogProb("x"), table([-1, -2])), "of 1 words; return one number, or one"),
    (lambda: scored(lambda prompt, reply: NAN), "it must return a finite real number"),
    (lambda: scored(lambda prompt, reply: "1.5x"), "returned '1.5x' for the reply 'yes'"),
    (lambda: scored(lambda prompt, reply: None), "returned None for the reply 'yes'"),
    (lambda: scored(spex.Matches("a"), lambda prompt: 3), "a int, not the reply as a str; return"),
    (lambda: scored(None, str.upper), "returns text and no log-probabilities: choose a score of"),
    (lambda: FunctionModel(str.upper, concurrency=0), "it must be a whole number of at least 1"),
    # Plain functions of masks
    (lambda: explained(None), "must be callable on masks, not NoneType"),
    (lambda: explained(lambda m: [1.0]), "for 4 masks of 3 features; it must be shape (4,)"),
    (lambda: explained(lambda m: None), "it must be shape (4,), one number per mask"),
    (lambda: explained(lambda m: ["a"] * len(m)), "values; they must be real numbers"),
    (lambda: explained(lambda m: m[:, 0] * 1j), "take the real part or the modulus"),
    (lambda: explained(lambda m: np.where(m[:, 0], NAN, 1)), "feature 2 left out); clip it or"),
    (lambda: explained(lambda m: m.sum(axis=1), 0), "features=0; it must be a whole number of at"),
    (lambda: explained(lambda m: m.sum(axis=1), []), "0 features; the number must be 1 to 16384"),
    (lambda: explained(lambda m: m.sum(axis=1), 1.5), "features=1.5; it must be a whole number"),
    (lambda: explained(lambda m: m.sum(axis=1), 10**6), "1 to 16384: choose coarser units"),
    (lambda: explained(lambda m: m.sum(axis=1), None), "give the number of features or their lab"),
    (lambda: explained(lambda m: m.sum(axis=1), "abc"), "is one string; give a list of labels"),
    (lambda: explained(lambda m: m.sum(axis=1), budget=0), "budget=0; it must be a whole number"),
    (lambda: explained(lambda m: m.sum(axis=1), store=3), "store=3; give the path of a file, or"),
    (lambda: spex.zoom(lambda m: m.sum(axis=1), "word"), "f has no features; zoom needs a"),
    # Predict functions
    (lambda: spex.PredictFunction("a b", len), "masker is a str; give a masker such as Table"),
    (lambda: spex.PredictFunction(TWO, 3), "give a function such as classifier.predict_proba"),
    (lambda: predicted(lambda m: np.zeros(m + 1)), "shape (2,) for 1 inputs; it must return"),
    (lambda: predicted(lambda m: ["a"] * m), "list that is no array of numbers"),
    (lambda: predicted(lambda m: [NAN] * m), "no finite number ("),
    (lambda: predicted(lambda m: np.eye(m, 2), output=2), "returns 2 numbers for an input; give 0"),
    (lambda: predicted(lambda m: np.eye(m, 2), output=1.5), "output=1.5; it must be a whole"),
    (lambda: predicted(lambda m: np.eye(m, 2), output="a"), "it has no names; give a position"),
    (lambda: predicted(lambda m: np.zeros(m), output=0), "returns one number for an input; leave"),
]  # fmt: skip


def _name(case):
    return case if isinstance(case, str) else ""


@pytest.mark.parametrize(("call", "says"), [*MASKERS, *FUNCTIONS], ids=_name)
def test_one_clear_line(call, says):
    with pytest.raises(spex.SpexError) as caught:
        call()
    message = str(caught.value)
    assert says in message
    assert message.count("\n") == 0


def test_one_feature_is_enough_for_a_function():
    explanation = explained(lambda masks: masks[:, 0] * 2.0, 1)
    assert (explanation.r2, explanation.n_evaluations) == (1.0, 2)
    assert explanation.interactions("Moebius")[0,] == 2.0

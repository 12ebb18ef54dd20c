"""Every block of docs/recipes.md runs as it stands there.

In the place of a server's address, of a name on a hub that the tests cannot reach, and of
somebody's picture come a server of llama.cpp, a tiny random classifier and a photograph.
"""

import functools
import re
import subprocess
import sys
from pathlib import Path

import pytest

import spex
import spex.evaluation.value_function

PAGE = Path(__file__).parents[2] / "docs" / "recipes.md"
ADDRESS = "http://127.0.0.1:8080"
CLASSIFIER = "hf:distilbert/distilbert-base-uncased-finetuned-sst-2-english"
BLOCK = re.compile(r"^(?P<fence>`{3,})python\n(?P<code>.*?)^(?P=fence)$", re.DOTALL | re.MULTILINE)


def recipes():
    """(heading, code) of every section that has code."""
    found = []
    for section in PAGE.read_text(encoding="utf-8").split("\n## ")[1:]:
        found += [(section.partition("\n")[0], block["code"]) for block in BLOCK.finditer(section)]
    return found


@pytest.fixture(scope="module")
def server():
    process = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("llama_server.py")],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    address = process.stdout.readline().strip()
    assert address.startswith("http://"), "the server did not start"
    yield address
    process.kill()
    process.wait()


@pytest.fixture(scope="module")
def load_once():
    return functools.cache(spex.models.load)


# What each recipe finds, where that is certain: it follows from the function, or from all masks of
# a model that is always the same.
FINDS = {
    "A function of words": lambda e: (
        [(k, round(v, 6)) for k, v in e.interactions("Moebius").top(2)]
        == [((2, 4), 2.0), ((4,), -1.0)]
    ),
    "A text classifier of scikit-learn": lambda e: (
        e.context["score"] == "good of Pipeline.predict_proba"
        and e.interactions("FBII")[3, 4] > 0.1  # not + bad
    ),
    "A row of a table": lambda e: e.n_features == 30 and e.n_evaluations == 300,
    "An image classifier of torch": lambda e: e.n_features == 16 and e.n_evaluations == 100,
    "Documents that are answered from": lambda e: e.interactions("BV").top(1)[0][0] == (0,),
    "A long text": lambda e: (
        1 in e.chosen and "Anna Brandt kept it for thirty years." in e.fine.features
    ),
}


@pytest.mark.parametrize(("heading", "code"), recipes(), ids=[title for title, _ in recipes()])
def test_recipe(heading, code, request, tmp_path, monkeypatch, load_once, save_tiny_model):
    monkeypatch.chdir(tmp_path)
    # A block by itself would load the same model again.
    monkeypatch.setattr(spex.evaluation.value_function, "load", load_once)
    if ADDRESS in code:
        code = code.replace(ADDRESS, request.getfixturevalue("server"))
    if CLASSIFIER in code:
        labels = {0: "NEGATIVE", 1: "POSITIVE"}
        folder = save_tiny_model(
            tmp_path / "tiny",
            "bert",
            auto_class="AutoModelForSequenceClassification",
            id2label=labels,
            label2id={name: number for number, name in labels.items()},
        )
        code = code.replace(CLASSIFIER, f"hf:{folder}")
    if "cat.jpg" in code:
        import PIL.Image
        import skimage.data

        PIL.Image.fromarray(skimage.data.chelsea()).save("cat.jpg")
    names = {}
    exec(compile(code, heading, "exec"), names)
    e = names["e"]
    explanations = (e.coarse, e.fine) if isinstance(e, spex.Zoom) else (e,)
    for explanation in explanations:
        assert isinstance(explanation, spex.Explanation)
        assert len(explanation.spectrum) > 1
        assert explanation.r2 > 0
    assert FINDS.get(heading, lambda e: True)(e)
    e.to_html("why.html")


def test_the_page_has_what_it_should():
    headings = [title for title, _ in recipes()]
    assert len(headings) == len(set(headings)) == PAGE.read_text().count("\n## ")
    assert set(FINDS) < set(headings)

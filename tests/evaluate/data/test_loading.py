"""Formats of data: small files written here, and the real ones where they are."""

import json
from pathlib import Path

import PIL.Image
import pytest

import spex
from spex.evaluate.data.formats import Reading
from spex.evaluate.data.loading import read_items
from spex.evaluate.data.rows import read_rows

SHARED = Path(__file__).parents[4] / "shared" / "data"
MODEL = "predict:no_module:no_function"  # loaded only when an item is made

HOTPOT = {
    "_id": "q1",
    "question": "Where was the author of X born?",
    "answer": "Paris",
    "context": [["X", ["X is a book by Ann.", " It is long."]], ["Ann", ["Ann was born. ", " "]]],
    "supporting_facts": [["X", 0], ["Ann", 0], ["Ann", 9]],
}
DROP = {
    "p1": {
        "passage": "They scored 3 points. Then they scored 7. It rained.",
        "qa_pairs": [
            {"query_id": "a", "question": "How many?", "answer": {"number": "10", "spans": []}},
            {"query_id": "b", "question": "Who?", "answer": {"number": "", "spans": ["Bo", "Al"]}},
            {
                "query_id": "c",
                "question": "When?",
                "answer": {"number": "", "spans": [], "date": {"month": "May", "year": "1990"}},
            },
        ],
    }
}


def written(folder, name, content):
    path = folder / name
    if name.endswith(".jsonl"):
        path.write_text("".join(json.dumps(row) + "\n" for row in content), encoding="utf-8")
    else:
        path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_reviews(tmp_path):
    path = written(tmp_path, "r.jsonl", [{"text": "Not a bad film", "label": "positive"}])
    (item,) = read_items(path, "smollm2")
    assert (item.name, item.n_features, item.group, item.annotated) == ("0", 4, "1-7", None)
    assert item.make.score == spex.LogOdds("positive", "negative")
    assert item.make.masker.render([True] * 4).text.count("Not a bad film") == 1
    (item,) = read_items(path, MODEL)
    assert item.make.score is None and item.make.masker.render([True] * 4).text == "Not a bad film"
    reading = Reading(prompt="Mood of {input}?", score="logodds:good,bad", operator="mask")
    (item,) = read_items(path, "smollm2", reading=reading)
    assert item.make.masker.render([True, False, True, True]).text == "Mood of Not [MASK] bad film?"
    assert item.make.score == spex.LogOdds("good", "bad")


@pytest.mark.parametrize("shape", ["pairs", "columns"])
def test_hotpotqa(tmp_path, shape):
    row = dict(HOTPOT)
    if shape == "columns":
        titles, sentences = zip(*HOTPOT["context"], strict=True)
        row["context"] = {"title": titles, "sentences": sentences}
        titles, numbers = zip(*HOTPOT["supporting_facts"], strict=True)
        row["supporting_facts"] = {"title": titles, "sent_id": numbers}
    path = written(tmp_path, "h.json" if shape == "pairs" else "h.jsonl", [row])
    (item,) = read_items(path, "smollm2")
    # The blank sentence is no unit; the fact about a sentence that is not there is left out.
    assert (item.name, item.n_features, item.annotated) == ("q1", 3, (0, 2))
    assert item.make.masker.features[2] == "Ann was born."
    assert item.make.score == spex.LogProb("Paris")
    text = item.make.masker.render([False, True, True]).text
    assert "Question: Where was" in text and "book" not in text
    (own,) = read_items(path, "smollm2", reading=Reading(answer="own"))
    assert own.make.score == spex.LogProb()


def test_drop(tmp_path):
    items = read_items(written(tmp_path, "d.json", DROP), "smollm2")
    assert [item.name for item in items] == ["a", "b", "c"]
    assert [item.make.score.answer for item in items] == ["10", "Bo, Al", "May 1990"]
    assert {item.n_features for item in items} == {3}


def test_records(tmp_path):
    rows = [
        {"id": "t", "text": "one two three", "prompt": "Say {input}", "score": "probability",
         "answer": "yes", "annotated": [2, 0]},
        {"id": "d", "documents": ["First one.", "Second."], "question": "Which?"},
        {"id": "m", "messages": [{"role": "user", "content": "Hello"},
                                 {"role": "assistant", "content": "Hi"},
                                 {"role": "user", "content": "Who?"}]},
    ]  # fmt: skip
    items = read_items(written(tmp_path, "x.jsonl", rows), "smollm2")
    assert [item.n_features for item in items[:2]] == [3, 2]
    assert items[0].annotated == (0, 2)
    assert items[0].make.score == spex.Probability("yes")
    assert type(items[2].make.masker) is spex.Messages
    assert "Which?" in items[1].make.masker.render([True, True]).text


def test_csv(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text('text,annotated\n"one, two",[1]\nthree four five,\n', encoding="utf-8")
    items = read_items(path, MODEL)
    assert [item.annotated for item in items] == [(1,), None]
    assert items[1].n_features == 3


def test_datasets_of_a_local_folder(tmp_path, monkeypatch):
    import datasets

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "train.csv").write_text("text,label\none two three,positive\n")
    (folder / "test.csv").write_text("text,label\nfour five,negative\n")
    assert read_rows(f"datasets:{folder}")[0]["text"] == "one two three"
    (item,) = read_items(f"datasets:{folder}:test", MODEL)
    assert item.n_features == 2
    with pytest.raises(spex.ArgumentError, match="nosplit"):
        read_rows(f"datasets:{folder}:nosplit")


def test_datasets_that_were_saved_to_disk(tmp_path):
    import datasets

    rows = datasets.Dataset.from_list([{"text": "one two", "label": "positive"}])
    rows.save_to_disk(tmp_path / "one")
    datasets.DatasetDict(test=rows).save_to_disk(tmp_path / "splits")
    for name in ("one", "splits:test"):
        assert read_rows(f"datasets:{tmp_path / name}") == list(rows)
    for name, message in [("one:test", "leave :test out"), ("splits", "no split 'train', but te")]:
        with pytest.raises(spex.ArgumentError, match=message):
            read_rows(f"datasets:{tmp_path / name}")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", '{"text": "a b"}\n{"text"\n', "line 2: is not JSON .* column 8.*remove it"),
        (
            "a.jsonl",
            '{"id": "x", "text": "a b"}\n\n{"id": "x", "text": "c d"}\n',
            "lines? 1 and line 3: both rows are called 'x'",
        ),
        ("a.jsonl", "[1]\n", "is no object"),
        ("a.jsonl", "\n", "holds no rows"),
        ("a.json", "3", "holds no list"),
        ("a.json", '{"x": {"y": 1}}', "no passages of DROP"),
        ("a.txt", "hello", "is no .jsonl, .json or .csv"),
        ("a.jsonl", '{"text": "a b", "documents": ["c"]}\n', "text and documents"),
        ("a.jsonl", '{"id": 3}\n', "none of the fields .*; its fields are 'id'"),
        ("a.jsonl", '{"text": ""}\n', "its field 'text' is empty; give"),
        ("a.csv", "id,text\n1,\n", "its field 'text' is empty; give"),
        ("a.jsonl", '{"text": "a b", "annotated": [2]}\n', "0 to 1"),
        ("a.jsonl", '{"text": 3, "label": "x"}\n', "row 0 as reviews: its field 'text' is 3"),
        ("a.jsonl", '{"text": "one", "label": "x"}\n', "row 0 as reviews"),
        ("a.jsonl", '{"text": "a b", "score": "nice"}\n', "'nice' is unknown"),
        ("a.jsonl", json.dumps({**HOTPOT, "context": 3}) + "\n", "give pairs"),
    ],
)  # fmt: skip
def test_bad_files(tmp_path, name, content, message):
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(spex.ArgumentError, match=message):
        read_items(tmp_path / name, "smollm2")


def test_rows_that_cannot_be_used_are_left_out_and_counted(tmp_path):
    texts = ["a b c", "one", "", "a b c d e f", "a b", "  ", "a b c d"]
    path = written(tmp_path, "r.jsonl", [{"text": text, "label": ""} for text in texts])
    told = []
    found = read_items(path, MODEL, lengths=(3, 5), notice=told.append)
    assert [item.name for item in found] == ["0", "6"]
    (line,) = told
    assert "5 of 7 rows left out: 2 not of 3 to 5 units, 3 cannot be used" in line
    assert "row 1 as reviews: text 'one' has only one unit" in line and "\n" not in line
    assert [item.name for item in read_items(path, MODEL, items=[4, 1], notice=told.append)] == [
        "4"
    ]
    with pytest.warns(UserWarning, match="3 of 7 rows left out: 3 cannot"):
        assert len(read_items(path, MODEL)) == 4

    def check(item):
        if item.n_features < 6:
            raise spex.ArgumentError("it is short")

    (item,) = read_items(path, MODEL, items=1, check=check, notice=told.append)
    assert item.n_features == 6 and "6 of 7 rows" in told[-1]
    with pytest.raises(spex.ArgumentError, match="nothing is left: 2 of 2 rows left out: 2 cannot"):
        read_items(path, MODEL, items=[1, 2])


def test_bad_choices(tmp_path):
    rows = [{"text": " ".join("abcdefghij"[:n]), "label": ""} for n in (2, 5, 9, 4)]
    path = written(tmp_path, "r.jsonl", rows)
    assert [item.name for item in read_items(path, MODEL, items=2)] == ["2", "3"]
    assert [item.name for item in read_items(path, MODEL, items=[3, 0])] == ["3", "0"]
    assert [item.name for item in read_items(path, MODEL, lengths=(4, 5))] == ["1", "3"]
    for change, message in [
        ({"items": [4]}, "rows 0 to 3"),
        ({"items": 0}, "items=0"),
        ({"lengths": (100, 200)}, "widen --lengths"),
        ({"format": "squad"}, "format 'squad' is unknown"),
    ]:
        with pytest.raises(spex.ArgumentError, match=message):
            read_items(path, MODEL, **change)
    with pytest.raises(spex.ArgumentError, match=f"is a folder; .* datasets:{tmp_path}"):
        read_items(tmp_path, MODEL)
    with pytest.raises(spex.ArgumentError, match="'gold'"):
        Reading(answer="gold")
    with pytest.raises(spex.ArgumentError, match="cannot be read"):
        read_items(tmp_path / "none.jsonl", MODEL)


@pytest.mark.skipif(not SHARED.exists(), reason="../shared/data is not there")
def test_real_files():
    reviews = read_items(SHARED / "sentiment_reviews_dev80.jsonl", MODEL)
    assert len(reviews) == 80 and {item.group for item in reviews} > {"8-15", "16-31", "512-1023"}
    questions = read_items(SHARED / "hotpotqa_distractor_dev50.jsonl", "smollm2")
    rows = read_rows(str(SHARED / "hotpotqa_distractor_dev50.jsonl"))
    assert len(questions) == 50
    for item, row in zip(questions, rows, strict=True):
        facts = row["supporting_facts"]
        marked = [item.make.masker.features[unit] for unit in item.annotated]
        context = dict(zip(row["context"]["title"], row["context"]["sentences"], strict=True))
        named = {
            context[title][number].strip()
            for title, number in zip(facts["title"], facts["sent_id"], strict=True)
            if number < len(context[title])
        }
        assert set(marked) == named
    puzzles = read_items(SHARED / "puzzles.jsonl", "smollm2")
    assert len(puzzles) == 5
    assert "True or False: You should not pull" in puzzles[4].make.masker.render(
        [True] * puzzles[4].n_features
    ).text  # fmt: skip


def test_pictures_lie_beside_their_file(tmp_path):
    (tmp_path / "data").mkdir()
    PIL.Image.new("RGB", (8, 8)).save(tmp_path / "data" / "p.png")
    row = {"image": "p.png", "question": "What is it?", "answer": "Black.", "unit": "grid:2x3"}
    path = written(tmp_path / "data", "a.jsonl", [row])
    (item,) = read_items(path, "smollm2")
    assert item.n_features == 6 and item.make.score == spex.LogProb("Black.")
    assert item.make.masker.prompt == "What is it?" and item.make.masker.operator == "mean"
    reading = Reading(prompt="Briefly: {question}", unit="grid:4x4", operator="grey")
    (item,) = read_items(path, "smollm2", reading=reading)
    assert item.n_features == 16 and item.make.masker.operator == "grey"
    assert item.make.masker.prompt == "Briefly: What is it?"

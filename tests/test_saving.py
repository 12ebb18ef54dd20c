"""Files that anybody may have written: what is wrong is one line that says what, where and what to
do; sizes are checked before anything of that size is made."""

import json
from pathlib import Path

import numpy as np
import pytest

import spex
from spex.cli import main
from spex.fourier.spectrum import Spectrum

GOLDEN = Path(__file__).parent / "golden"
LONG = 10**50


def content(name="explanation-1.json"):
    return json.loads((GOLDEN / name).read_text())


def refused(written, tmp_path, capsys, kind=spex.Explanation):
    """The message of `load`, which is also the one line of `spex report`."""
    path = tmp_path / "e.json"
    path.write_bytes(written)
    with pytest.raises(spex.FileFormatError) as caught:
        kind.load(path)
    assert main(["report", str(path)]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and len(captured.err.splitlines()) == 1
    message = str(caught.value)
    assert str(path) in message and len(message) < 400 + len(str(path))
    return message


@pytest.mark.parametrize(
    ("field", "value", "place"),
    [
        ("features", ["a"] * 17000, "features"),
        ("features", [], "features"),
        ("features", "abcd", "features"),
        ("features", ["a", "b", 3, "d"], "features[2]"),
        ("spectrum", {}, "spectrum"),
        ("spectrum", [[[0], 1.0]] * 2, "spectrum[1]"),
        ("spectrum", [[[0.0], 1.0]], "spectrum[0]"),
        ("spectrum", [[[0.5], 1.0]], "spectrum[0]"),
        ("spectrum", [[[True], 1.0]], "spectrum[0]"),
        ("spectrum", [[["0"], 1.0]], "spectrum[0]"),
        ("spectrum", [[[0], "1.0"]], "spectrum[0]"),
        ("spectrum", [[[0], True]], "spectrum[0]"),
        ("spectrum", [[[0], None]], "spectrum[0]"),
        ("spectrum", [[[0], 1e150]], "spectrum[0]"),
        ("spectrum", [[[LONG], 1.0]], "spectrum"),
        ("spectrum", [[[-1], 1.0]], "spectrum"),
        ("spectrum", [[[1, 0], 1.0]], "spectrum"),
        ("spectrum", [[[0, 0], 1.0]], "spectrum"),
        ("spectrum", [[[4], 1.0]], "spectrum"),
        ("spectrum", [[0, 1.0]], "spectrum[0]"),
        ("spectrum", [[[0], 1.0, 2.0]], "spectrum[0]"),
        ("r2", 1.5, "r2"),
        ("r2", "0.9", "r2"),
        ("r2", True, "r2"),
        ("r2_interval", [0.9], "r2_interval"),
        ("r2_interval", [0.9, 1.5], "r2_interval[1]"),
        ("r2_interval", [0.9, 0.5], "r2_interval"),
        ("n_evaluations", -1, "n_evaluations"),
        ("n_evaluations", 17, "n_evaluations"),
        ("n_evaluations", 8.0, "n_evaluations"),
        ("budget", -1, "budget"),
        ("budget", 10**90, "budget"),
        ("seed", 1.5, "seed"),
        ("method", 3, "method"),
        ("scores", [], "scores"),
        ("scores", {"gp": "x"}, "scores['gp']"),
        ("scores", {"gp": 2}, "scores['gp']"),
        ("standard_errors", [0.0], "standard_errors"),
        ("standard_errors", [-1.0] * 8, "standard_errors"),
        ("unexplained", -1, "unexplained"),
        ("unexplained", "x", "unexplained"),
        ("r2_distribution", 1, "r2_distribution"),
        ("observed", [1], "observed"),
        ("observed", ["a", 1], "observed[0]"),
        ("forecast", [[8]], "forecast[0]"),
        ("forecast", [[8.5, 0.5]], "forecast[0][0]"),
        ("forecast", [[8, 1.5]], "forecast[0][1]"),
        ("notes", "note", "notes"),
        ("notes", [1], "notes[0]"),
        ("version", None, "version"),
        ("context", [], "context"),
        ("context", {"model": 3}, "context.model"),
        ("context", {"usage": {"requests": -1}}, "context.usage['requests']"),
        ("context", {"usage": {"requests": True}}, "context.usage['requests']"),
    ],
)
def test_each_wrong_field_is_told_with_its_place(field, value, place, tmp_path, capsys):
    wrong = content() | {field: value}
    message = refused(json.dumps(wrong).encode(), tmp_path, capsys)
    assert f"damaged at {place}" in message and "take an undamaged copy" in message


@pytest.mark.parametrize(
    ("written", "says"),
    [
        (b"", "not JSON"),
        (b"\x00" * 50, "not JSON"),
        (b'{"format": "spex-explanation", "r2": 1', "not JSON"),
        (b"[" * 100_000, "nested too deep"),
        (b'{"a":' * 100_000, "nested too deep"),
        (b'{"r2": NaN}', "NaN is no number of JSON"),
        (b'{"r2": -Infinity}', "-Infinity is no number of JSON"),
        (b'{"seed": ' + b"1" * 5000 + b"}", "5,000 digits"),
        (b'{"seed": 1, "seed": 2}', "'seed' stands twice"),
        ('{"format": "x"}'.encode("utf-16"), "UTF-8"),
        (b'{"format": "spex-\xe9"}', "byte 17"),
        (b"[],[],[]," * (1 << 21), "800 MB of memory"),
        (b'["' + b"a" * (10**8) + b'"]', "larger than 100 MB"),
        (b"3", "no explanation of spex"),
        (b'{"format": ["spex-explanation"]}', "no explanation of spex"),
        (b'{"format": "spex-explanation"}', "version None"),
    ],
)
def test_what_is_no_explanation_at_all(written, says, tmp_path, capsys):
    assert says in refused(written, tmp_path, capsys)


@pytest.mark.parametrize("version", [0, 2, True, "1", None, [1]])
def test_other_versions(version, tmp_path, capsys):
    wrong = json.dumps(content() | {"format_version": version}).encode()
    assert "reads version 1: use the spex that wrote it" in refused(wrong, tmp_path, capsys)


def test_numbers_beyond_floats(tmp_path, capsys):
    for number in ("1e400", "-1e400"):
        wrong = json.dumps(content()).replace('"seed": 0', f'"unexplained": {number}')
        wrong = wrong.replace('"unexplained": 0.0', '"seed": 0')
        assert "inf is not a finite number" in refused(wrong.encode(), tmp_path, capsys)


def test_a_file_of_another_class_names_the_class(tmp_path, capsys):
    classes = {
        "explanation-1.json": spex.Explanation,
        "explanations-1.json": spex.Explanations,
        "zoom.json": spex.Zoom,
    }
    for name, own in classes.items():
        for other in set(classes.values()) - {own}:
            with pytest.raises(spex.FileFormatError, match=f"with spex.{own.__name__}.load"):
                other.load(GOLDEN / name)


@pytest.mark.parametrize(
    ("name", "change", "place"),
    [
        ("explanations-1.json", {"outputs": {}}, "outputs"),
        ("explanations-1.json", {"outputs": []}, "outputs"),
        ("explanations-1.json", {"outputs": {"a": 3}}, "outputs['a']: no explanation"),
        ("explanations-1.json", {"moments": {"values": [[1.0]], "errors": []}}, "moments.values"),
        ("explanations-1.json", {"moments": {"values": [[1, 0], [0, "1"]]}}, "values[1][1]"),
        ("zoom.json", {"coarse": None}, "coarse: no explanation"),
        ("zoom.json", {"chosen": [0.5]}, "chosen[0]"),
        ("zoom.json", {"chosen": [99]}, "chosen[0]"),
    ],
)
def test_several_outputs_and_zooms(name, change, place, tmp_path, capsys):
    kind = spex.Zoom if name == "zoom.json" else spex.Explanations
    wrong = json.dumps(content(name) | change).encode()
    assert place in refused(wrong, tmp_path, capsys, kind)


def test_more_coefficients_than_fit_into_memory_are_refused_before_they_are_made(tmp_path, capsys):
    many = content() | {
        "features": ["a"] * 16384,
        "spectrum": [0] * 32_769,
    }
    written = json.dumps(many).encode()
    assert "the limit is 32,768" in refused(written, tmp_path, capsys)


def test_places_that_hold_no_file(tmp_path, capsys):
    sparse = tmp_path / "sparse.json"
    with sparse.open("wb") as file:
        file.truncate(2 << 30)
    for path, says in [
        (tmp_path, "Is a directory"),
        (tmp_path / "none.json", "No such file"),
        (Path("/dev/zero"), "larger than 100 MB"),
        (sparse, "larger than 100 MB"),
        (Path("a\0b"), "null byte"),
    ]:
        with pytest.raises(spex.FileFormatError, match=says):
            spex.Explanation.load(path)


def test_a_mark_of_byte_order_and_half_a_surrogate_pair_are_no_damage(tmp_path):
    path = tmp_path / "e.json"
    path.write_bytes(b"\xef\xbb\xbf" + (GOLDEN / "explanation-1.json").read_bytes())
    assert spex.Explanation.load(path).features == ("Not", "bad", "at", "all")
    odd = spex.explain(lambda m: m[:, 0] * 1.0, ["\ud800", "b\u2028c"], budget=4)
    odd.save(path)
    path.read_bytes().decode("utf-8")
    assert spex.Explanation.load(path).features == odd.features
    path.write_text(json.dumps(odd.to_dict(), ensure_ascii=False), "utf-8", "surrogatepass")
    assert spex.Explanation.load(path).features == odd.features  # as spex 0.1 wrote it


def test_an_input_that_cannot_be_shown_is_said(tmp_path):
    wrong = content()
    wrong["context"]["parts"][0]["segments"][0][1] = 99
    assert "only the labels are shown" in spex.Explanation.from_dict(wrong).notes[-1]


def test_what_could_not_be_read_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr("spex.files._MOST_BYTES", 100)
    with pytest.raises(spex.ArgumentError, match="keep fewer coefficients"):
        spex.Explanation.from_dict(content()).save(tmp_path / "e.json")
    assert not list(tmp_path.iterdir())


def test_a_number_of_python_without_end():
    with pytest.raises(spex.FileFormatError, match="a very long integer"):
        spex.Explanation.from_dict(content() | {"r2": 10**5000})


def test_packed_as_rows_of_booleans():
    rng = np.random.default_rng(0)
    for n in (1, 63, 64, 65, 130):
        keys = {tuple(np.flatnonzero(rng.random(n) < 0.3).tolist()) for _ in range(20)}
        spectrum = Spectrum.from_mapping(dict.fromkeys(keys, 1.0), n)
        assert set(spectrum.interactions) == keys
    assert len(Spectrum.from_mapping({}, 70)) == 0

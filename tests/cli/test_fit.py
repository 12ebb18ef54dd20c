"""`spex fit`: tables of evaluations, good and bad."""

import json

import numpy as np
import pytest

import spex
from spex.cli import main


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def masks(m=120, n=6):
    every = (np.arange(1 << n)[:, None] >> np.arange(n) & 1).astype(int)
    return every[np.random.default_rng(0).permutation(1 << n)[: min(m, 1 << n)]]


def values(rows):
    return 2.0 * rows[:, 0] * rows[:, 3] - rows[:, 1]


def write(path, header, rows):
    path.write_text("\n".join([",".join(header), *(",".join(map(str, row)) for row in rows)]))


def table(path, m=50):
    rows = masks(m)
    found = values(rows)
    write(
        path,
        [*"abcdef", "value"],
        [[*row, value] for row, value in zip(rows.tolist(), found.tolist(), strict=True)],
    )
    return rows, found


def test_a_table_is_explained_like_its_arrays(folder, capsys):
    rows, found = table(folder / "a.csv")
    assert main(["fit", "a.csv", "--out", "a.json", "--html", "a.html"]) == 0
    captured = capsys.readouterr()
    assert "a + d" in captured.out and "saved a.json" in captured.err
    saved = spex.Explanation.load("a.json")
    direct = spex.fit(rows, found, list("abcdef"))
    assert dict(saved.spectrum.items()) == dict(direct.spectrum.items())
    assert saved.context.command == "spex fit a.csv --out a.json --html a.html"
    assert "<html" in (folder / "a.html").read_text()


def test_words_for_presence_and_several_values(folder, capsys):
    rows = masks(64)
    header = [*"abcdef", "yes", "no"]
    words = [
        [*(("False", "TRUE")[cell] for cell in row), 1.0 * row[0], -2.0 * row[1] * row[2]]
        for row in rows.tolist()
    ]
    write(folder / "b.csv", header, words)
    assert main(["fit", "b.csv", "--value", "yes", "--value", "no", "--out", "b.json"]) == 0
    capsys.readouterr()
    both = spex.Explanations.load("b.json")
    assert both.outputs == ("yes", "no")
    assert both["no"].interactions("Moebius").top(1) == [((1, 2), pytest.approx(-2.0))]
    assert main(["report", "b.json"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("yes\n") and "\nno\n" in out
    assert main(["report", "b.json", "--png", "b.png"]) == 2
    assert "b.json holds 2 outputs, and a picture is of one" in capsys.readouterr().err
    plot = ["report", "b.json", "--output", "no", "--plot", "waterfall", "--svg", "no.svg"]
    assert main(plot) == 0
    assert "b + c" in (folder / "no.svg").read_text()  # matplotlib writes texts as comments
    assert main([*plot[:3], "noe", *plot[4:]]) == 2
    assert "--output noe: is unknown (did you mean 'no'?)" in capsys.readouterr().err
    capsys.readouterr()
    assert main(["report", "b.json", "--output", "yes"]) == 0
    assert "no\n" not in capsys.readouterr().out


def test_masks_that_are_no_uniform_sample_are_said_to_be(folder, capsys):
    rng = np.random.default_rng(1)
    rows = np.unique((rng.random((200, 12)) < 0.9).astype(int), axis=0)
    found = values(rows).tolist()
    header = [f"x{i}" for i in range(12)]
    write(folder / "c.csv", [*header, "value"], [[*r, v] for r, v in zip(rows, found, strict=True)])
    assert main(["fit", "c.csv", "--method", "linear", "--html", "c.html"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "over masks like those given" in out and "no sample of uniform masks" in out
    assert "over masks like those given" in (folder / "c.html").read_text()


def test_spaces_around_names(folder, capsys):
    (folder / "spaced.csv").write_text("a, b , value\n0, 0, 0\n0, 1, 0\n1, 0, 0\n1, 1, 2\n")
    assert main(["fit", "spaced.csv", "--out", "s.json"]) == 0
    assert spex.Explanation.load("s.json").features == ("a", "b")
    (folder / "spaced.csv").write_text("a, a,value\n0,0,0\n0,1,0\n1,0,0\n1,1,2\n")
    assert main(["fit", "spaced.csv"]) == 0  # two names that differ in a space alone stay


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b,score\n0,1,2\n", "has no column 'value'"),
        ("a,b,value\n0,2,1\n", "'2' in column 'b', line 2"),
        ("a,b,value\n0,,1\n", "'' in column 'b', line 2"),
        (
            "a,b,value\n0,1,x\n",
            "'x' in column 'value', line 2, is no finite number",
        ),
        (
            "a,b,value\n0,1,nan\n1,1,2\n0,0,1\n1,0,1\n",
            "'nan' in column 'value', line 2, is no finite number",
        ),
        ("a,b,value\n0,1,1\n", "1 distinct mask given; a fit needs"),
        ("a,a,value\n0,1,1\n", "has two columns 'a'"),
        ("value\n1\n", "has no column beside the values"),
        ("", "is empty"),
        (
            "a,b,value\n0,1,1_000\n",
            "'1_000' in column 'value', line 2, is no finite number",
        ),
        (
            "id,a,value\n7,1,2\n",
            "'7' in column 'id', line 2; a feature is 1 where it is present",
        ),
        ("id,a,value\n7,1,2\n", "leave out a column that is no feature, such as an id"),
        ("a;b;value\n0;1;2\n", "its columns are separated by semicolons; use commas"),
        ('a,b,value\n"0,1,2\n', "is not CSV"),
        ("a,b,value\n0,1,1\n\n0,1,2\n0,5,1\n", "'5' in column 'b', line 5"),
        ("0,1,2.5\n1,1,3\n", "has no header: line 1 holds numbers"),
        ('[{"a": 0, "value": 1}]', "is JSON; give CSV"),
        ('{\n "format": "spex-explanation"}', "is JSON; give CSV"),
        ("a,value,value2\n0,1,2.5\n", "values of another output: --value value --value value2"),
        ("a,b,value\n0,1\n", "line 2 has 2 cells, the header has 3"),
        (
            "a,b,value\n0,0,1e101\n0,1,0\n1,0,1\n1,1,1\n",
            "bad.csv: fit was given 1e+101 in absolute",
        ),
    ],
)
def test_bad_tables_get_one_line(folder, capsys, content, message):
    (folder / "bad.csv").write_text(content)
    assert main(["fit", "bad.csv"]) == 2
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.csv"], "cannot be read"),
        (["."], "cannot be read"),
        (["a.csv", "--method", "spex"], "spex.Run asks for"),
        (
            ["a.csv", "--method", "exact"],
            "needs the values of all 2^6 masks, but only 50 are given",
        ),
        (["a.csv", "--out", "a.csv"], "the table are the same file"),
        (["a.csv", "--order", "0"], "order"),
        (["a.csv", "--top", "-1"], "--top -1"),
    ],
)
def test_wrong_calls(folder, capsys, arguments, message):
    table(folder / "a.csv")
    assert main(["fit", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_the_file_of_the_table_is_not_touched(folder, capsys):
    table(folder / "a.csv")
    before = (folder / "a.csv").read_bytes()
    assert main(["fit", "a.csv", "-q", "--out", "a.json"]) == 0
    assert capsys.readouterr().out == "" and (folder / "a.csv").read_bytes() == before
    assert json.loads((folder / "a.json").read_text())["r2_distribution"] == "uniform"


def test_few_rows_say_little(folder, capsys):
    table(folder / "a.csv", m=4)
    assert main(["fit", "a.csv"]) == 0
    assert "4 evaluations say little" in " ".join(capsys.readouterr().out.split())


def test_two_outputs_of_one_name(folder, capsys):
    table(folder / "a.csv")
    assert main(["fit", "a.csv", "--out", "x", "--html", "./x"]) == 2
    assert "--out and --html are the same file" in capsys.readouterr().err
    assert not (folder / "x").exists()
    assert main(["fit", "a.csv", "-q", "--out", "/dev/null", "--html", "/dev/null"]) == 0


def test_a_full_disk_loses_no_result(folder, capsys):
    table(folder / "a.csv")
    for option in ("--out", "--html"):
        assert main(["fit", "a.csv", option, "/dev/full"]) != 0
        captured = capsys.readouterr()
        assert "a + d" in captured.out
        assert captured.err.count("\n") == 1 and "No space left on device" in captured.err


def test_a_table_without_end(folder, capsys, monkeypatch):
    monkeypatch.setattr("spex.cli.explaining.inputs._MOST_BYTES", 10**6)
    assert main(["fit", "/dev/zero"]) == 2
    assert "/dev/zero: is larger than 1 MB, the limit" in capsys.readouterr().err

import spex
from report.conftest import make_explanation
from spex.cli import main


def make(coefficients, features):
    return make_explanation(coefficients, features, n_evaluations=4)


def saved(tmp_path, name, explanation):
    path = tmp_path / f"{name}.json"
    explanation.save(path)
    return str(path)


def test_two_files_are_compared(tmp_path, capsys):
    a = saved(tmp_path, "old", make({(0, 1): 1.0, (2,): 0.5}, "wxy"))
    b = saved(tmp_path, "new", make({(0, 1): 0.25}, "wxy"))
    page = tmp_path / "page.html"
    assert main(["compare", a, b, "--html", str(page), "--top", "2"]) == 0
    told = capsys.readouterr()
    assert "difference" in told.out and "old" in told.out and "w + x" in told.out
    assert f"wrote {page}" in told.err
    assert "Difference: old less new" in page.read_text()
    found = spex.compare(spex.Explanation.load(a), spex.Explanation.load(b))
    assert f"{found.differences[0].value:+.2f}" in told.out


def test_outputs_of_the_same_name_are_compared(tmp_path, capsys):
    one = make({(0,): 1.0}, "ab")
    a = saved(tmp_path, "a", spex.Explanations({"yes": one, "no": one}))
    b = saved(tmp_path, "b", spex.Explanations({"yes": make({(0,): 0.5}, "ab")}))
    assert main(["compare", a, b]) == 0
    told = capsys.readouterr().out
    assert "a: yes" in told and "no" not in told.split()
    c = saved(tmp_path, "c", spex.Explanations({"maybe": one}))
    assert main(["compare", a, c]) == 2
    assert "no name is in both" in capsys.readouterr().err


def test_refusals(tmp_path, capsys):
    a = saved(tmp_path, "a", make({(0,): 1.0}, "ab"))
    b = saved(tmp_path, "b", make({(0,): 1.0}, "xyz"))
    several = saved(tmp_path, "s", spex.Explanations({"yes": make({(0,): 1.0}, "ab")}))
    for arguments, told in (
        ([a, b], "nothing to compare"),
        ([a, several], "different kinds"),
        ([a, str(tmp_path / "missing.json")], "missing.json"),
        ([a, a, "--html", a], "--html and A are the same file"),
        ([a, a, "--top", "-1"], "--top -1"),
    ):
        assert main(["compare", *arguments]) == 2
        assert told in capsys.readouterr().err


def test_files_named_alike_are_told_apart(tmp_path, capsys):
    for folder in ("before", "after"):
        (tmp_path / folder / "deep").mkdir(parents=True)
    a = saved(tmp_path / "before" / "deep", "x", make({(0,): 1.0}, "ab"))
    b = saved(tmp_path / "after" / "deep", "x", make({(0,): 0.5}, "ab"))
    assert main(["compare", a, b]) == 0
    assert "before/x" in (told := capsys.readouterr().out) and "after/x" in told
    page = tmp_path / "page.html"
    assert main(["compare", a, a, "--html", str(page)]) == 0
    assert "Difference: x#1 less x#2" in page.read_text()


def test_no_difference_is_said(tmp_path, capsys):
    a = saved(tmp_path, "a", make({(): 1.0}, "ab"))
    b = saved(tmp_path, "b", make({(): 3.0}, "ab"))
    c = saved(tmp_path, "c", make({(0, 1): 1.0}, "ab"))
    page = tmp_path / "page.html"
    for one, other in ((a, b), (c, c)):
        assert main(["compare", one, other, "--html", str(page)]) == 0
        assert "No difference" in capsys.readouterr().out
        assert "<title>No difference" in page.read_text()


def test_a_picture_of_several_outputs_names_what_to_do(tmp_path, capsys):
    several = spex.Explanations({"yes": make({(0,): 1.0}, "ab"), "no": make({(): 1.0}, "ab")})
    path = saved(tmp_path, "several", several)
    assert main(["report", path, "--svg", str(tmp_path / "a.svg")]) == 2
    told = capsys.readouterr().err
    assert "2 outputs" in told and "choose it with --output (yes, no)" in told
    picture = tmp_path / "yes.svg"
    assert main(["report", path, "--output", "yes", "--svg", str(picture)]) == 0
    assert picture.exists()

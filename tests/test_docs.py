"""The pages of the documentation do what they say.

Python blocks run; stand-ins replace what tests cannot reach: a server of llama.cpp the address of
one, a tiny random classifier a name on a hub, a photograph somebody's picture.
"""

import functools
import importlib.util
import re
import shlex
import subprocess
import sys
import tomllib
import zlib
from collections.abc import Mapping
from pathlib import Path

import pytest
import typer

import spex
import spex.values.value_function
from models.conftest import save_tiny_model  # noqa: F401 - a fixture
from spex.cli import app

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
HOW_TO = ROOT / "docs" / "howto"
PAGES = [README, CONTRIBUTING, ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
BENCHMARKS = "".join(path.read_text() for path in (ROOT / "benchmarks").glob("*.py"))

ADDRESS = "http://127.0.0.1:8080"
CLASSIFIER = "hf:distilbert/distilbert-base-uncased-finetuned-sst-2-english"
# An info string `python no-run` marks what no test can run; its first line gives the reason.
NOT_RUN, REASON = "python no-run", "# Reason: "
# How-to pages whose blocks go on from one another; sections of the others stand alone.
CONTINUED = ("choosing", "reading")

BLOCK = re.compile(
    r"^(?P<fence>`{3,})(?P<info>[^\n`]*)\n(?P<code>.*?)^(?P=fence)$", re.DOTALL | re.MULTILINE
)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
INLINE_COMMAND = re.compile(r"`((?:python benchmarks/|make )[^`]+)`")
INLINE_PATH = re.compile(r"`((?:src|tests|benchmarks|docs)/[\w./-]+)`")


def text_of(page):
    return page.read_text(encoding="utf-8")


def blocks(text, info):
    return [block["code"] for block in BLOCK.finditer(text) if block["info"] == info]


def programs():
    """(name, code): the blocks of a page in order; of some how-to pages those of each section."""
    found = []
    for page in PAGES:
        text = text_of(page)
        if page.parent == HOW_TO and page.stem not in CONTINUED:
            sections = [(part.partition("\n")[0], part) for part in text.split("\n## ")[1:]]
        else:
            sections = [(page.name, text)]
        found += [(name, "\n\n".join(blocks(part, "python"))) for name, part in sections]
    return [(name, code) for name, code in found if code]


# ---- Python --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server():
    process = subprocess.Popen(
        [sys.executable, Path(__file__).parent / "models" / "llama_server.py"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        address = process.stdout.readline().strip()
        assert address.startswith("http://"), "the server did not start"
        yield address
        process.kill()


@pytest.fixture(scope="module")
def load_once():
    return functools.cache(spex.models.load)


@pytest.fixture
def stand_ins(request, tmp_path):
    """Makes code runnable here."""

    def replaced(code):
        if ADDRESS in code:
            code = code.replace(ADDRESS, request.getfixturevalue("server"))
        if CLASSIFIER in code:
            labels = {0: "NEGATIVE", 1: "POSITIVE"}
            folder = request.getfixturevalue("save_tiny_model")(
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
        return code

    return replaced


# What is certain of `e` and of other names: it follows from the function, or from all masks of a
# model that is always the same.
FINDS = {
    "README.md": lambda names: names["explanation"].method == "exact",
    "python.md": lambda names: (
        names["e"].interactions("Moebius").top(1)[0][0] == (3,)
        and {k for k, _ in names["es"]["0"].interactions("SV").top(2)} == {(0,), (1,)}
    ),
    "shap_and_shapiq.md": lambda names: names["values"].max_order == 2,
    "A function of words": lambda names: (
        [(k, round(v, 6)) for k, v in names["e"].interactions("Moebius").top(2)]
        == [((2, 4), 2.0), ((4,), -1.0)]
    ),
    "A text classifier of scikit-learn": lambda names: (
        names["e"].context["score"] == "good (output 0) of Pipeline.predict_proba"
        and names["e"].interactions("FBII")[3, 4] > 0.1  # not + bad
    ),
    "A row of a table": lambda names: (
        names["e"].n_features == 30 and names["e"].n_evaluations == 300
    ),
    "An image classifier of torch": lambda names: (
        names["e"].n_features == 16 and names["e"].n_evaluations == 100
    ),
    "Documents and a question": lambda names: names["e"].interactions("BV").top(1)[0][0] == (0,),
    "A long text": lambda names: (
        1 in names["e"].chosen
        and "Anna Brandt kept it for thirty years." in names["e"].fine.features
    ),
}


def explanations(found):
    """The explanations in one value of a name."""
    if isinstance(found, spex.Zoom):
        return [found.coarse, found.fine]
    if isinstance(found, Mapping):
        return [one for one in found.values() if isinstance(one, spex.Explanation)]
    return [found] if isinstance(found, spex.Explanation) else []


@pytest.mark.slow
@pytest.mark.parametrize(("name", "code"), programs(), ids=[name for name, _ in programs()])
def test_python_runs(name, code, tmp_path, monkeypatch, load_once, stand_ins):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    # Each page by itself would load the same model again.
    monkeypatch.setattr(spex.values.value_function, "load", load_once)
    names = {}
    exec(compile(stand_ins(code), name, "exec"), names)
    made = [found for found in names.values() if explanations(found)]
    assert made
    for found in made:
        for explanation in explanations(found):
            assert len(explanation.spectrum) > 1
            assert explanation.r2 > 0
        found.to_html("page.html") if hasattr(found, "to_html") else None
    assert FINDS.get(name, lambda names: True)(names)


def test_results_are_checked_for_programs_that_exist():
    names = [name for name, _ in programs()]
    assert len(names) == len(set(names))
    assert set(FINDS) <= set(names)
    assert {page.name for page in HOW_TO.glob("*.md")} >= {f"{name}.md" for name in CONTINUED}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_that_does_not_run_has_a_reason(page):
    for code in blocks(text_of(page), NOT_RUN):
        assert code.startswith(REASON)
        compile(code, page.name, "exec")
    known = {"python", NOT_RUN, "sh", "text"}
    infos = {block["info"] for block in BLOCK.finditer(text_of(page))}
    assert {info for info in infos if not info.startswith("{")} <= known  # {toctree} of the site


# ---- the site and its pictures -------------------------------------------------------------------


@pytest.mark.slow
def test_site_is_built_without_a_warning(tmp_path):
    command = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--nitpicky", "--quiet"]
    done = subprocess.run(
        [*command, ROOT / "docs", tmp_path / "site"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    names = (tmp_path / "site" / "objects.inv").read_bytes()  # zlib after four lines
    inventory = zlib.decompress(names.split(b"\n", 4)[4]).decode()
    listed = {line.split()[0] for line in inventory.splitlines()}
    assert {f"spex.{name}" for name in spex.__all__} <= listed


def test_pictures_are_drawn_by_the_package(tmp_path):
    spec = importlib.util.spec_from_file_location("draw", ROOT / "docs" / "pictures" / "draw.py")
    draw = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(draw)
    draw.main(tmp_path)
    for name in draw.DRAWINGS:
        kept = (ROOT / "docs" / "pictures" / f"{name}.svg").read_text()
        # Glyphs are shapes; comments of the file say what they spell.
        spelled = re.findall("<!-- (.*) -->", (tmp_path / f"{name}.svg").read_text())
        assert spelled == re.findall("<!-- (.*) -->", kept) and len(spelled) > 10, name


# ---- commands ------------------------------------------------------------------------------------


def commands():
    """(page, words) of every command in a shell block, and of those of `make` and benchmarks."""
    for page in PAGES:
        text = text_of(page)
        lines = "".join(blocks(text, "sh")).replace("\\\n", " ").splitlines()
        lines += [found.replace("\n", " ") for found in INLINE_COMMAND.findall(text)]
        for line in lines:
            words = shlex.split(line, comments=True)
            while words:
                end = words.index("&&") if "&&" in words else len(words)
                command = [word for word in words[:end] if not re.fullmatch(r"[A-Z_]+=\S*", word)]
                words = words[end + 1 :]
                yield pytest.param(page, command, id=f"{page.name}: {' '.join(command)[:60]}")


@pytest.mark.parametrize(("page", "command"), list(commands()))
def test_commands_exist(page, command):
    program, *arguments = command
    if program == "spex":
        name, *rest = arguments
        found = typer.main.get_command(app).commands[name]
        if hasattr(found, "commands"):  # such as those of spex evaluate
            name, *rest = rest
            found = found.commands[name]
        found.make_context(name, rest)
    elif program == "make":
        targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert set(arguments) <= set(targets)
    elif Path(program).name == "python" and arguments[0].startswith("benchmarks/"):
        assert (ROOT / arguments[0]).is_file()
        for option in (word for word in arguments if word.startswith("--")):
            assert f'"{option}"' in BENCHMARKS, option
    elif Path(program).name == "python" and arguments[:2] == ["-m", "pytest"]:
        assert all((ROOT / word).exists() for word in arguments if word.startswith("tests/"))
    elif program == "pip":
        extras = re.search(r"\.\[([\w,]+)\]", " ".join(arguments))
        settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
        known = settings["project"]["optional-dependencies"]
        assert set(extras[1].split(",") if extras else ()) <= set(known)
    else:
        assert program in ("echo", ".venv/bin/python", ".venv/bin/pre-commit", "python")


# ---- text ----------------------------------------------------------------------------------------


def anchors(page):
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", BLOCK.sub("", text_of(page)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_resolve(page):
    for link in LINK.findall(BLOCK.sub("", text_of(page))):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_file(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_paths_exist(page):
    for path in INLINE_PATH.findall(text_of(page)):
        assert (ROOT / path).exists(), path


def test_readme_is_short():
    assert len(text_of(README).splitlines()) <= 150


def test_every_public_name_is_documented():
    text = "".join(text_of(page) for page in PAGES if page.name != "CHANGELOG.md")
    assert [name for name in spex.__all__ if not re.search(rf"\b{name}\b", text)] == []


def test_every_folder_has_its_place():
    listed = set(re.findall(r"^\| `(\w+)` \|", text_of(CONTRIBUTING), re.MULTILINE))
    source = ROOT / "src" / "spex"
    assert listed == {path.parent.name for path in source.glob("*/__init__.py")}

"""Data flows one way, importing spex stays light, and files stay readable."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import networkx
import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "spex"

# The rooms, from the ground up: each may import those before it. Rooms on one line know nothing of
# each other.
FLOORS = [
    ["_version", "_typing", "errors", "wording"],
    ["checks", "extras", "files", "prior"],
    ["f2", "models", "saving"],
    ["fourier", "inputs", "scores"],
    ["surrogates", "context", "planning"],
    ["fitting", "interactions", "sets"],
    ["settings", "explanation"],
    ["explanations", "comparison", "report"],
    ["plots"],
    ["running"],
    ["run"],
    ["given"],
    ["values"],
    ["engines"],
    ["explaining"],
    ["zooming", "interop", "evaluate"],
    ["many"],
    ["cli"],
    ["app"],
    ["__init__", "__main__"],
]
# Imports that run back, each inside a function, with the reason why it may.
BACK = {
    ("explanation", "report"): "an explanation shows itself: print, page, plot, shap and shapiq",
    ("explanation", "plots"): "and so it draws itself",
    ("explanations", "report"): "so do several of them",
    ("explanations", "comparison"): "whose page compares two of them",
    ("interactions", "report"): "and values in a notebook",
    ("comparison", "report"): "and a comparison of two",
    ("report", "comparison"): "for types only",
    ("cli", "app"): "a command starts the app, which reads its form as the command line does",
}
# Modules that import each other inside a room, with the reason why they may.
CIRCLES = {
    frozenset({"planning.plan", "planning.wording"}): "a plan prints itself",
}


def modules():
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts), path


NAMES = dict(modules())
# Of the public names, by the stub that loads them.
HOMES = {
    alias.name: f"spex.{node.module}"
    for node in ast.parse((SOURCE / "__init__.pyi").read_text()).body
    if isinstance(node, ast.ImportFrom) and node.module
    for alias in node.names
}


def resolved(name, homes):
    """The module that "spex.x.y" names, or holds it; None for other packages."""
    parts = name.split(".")
    if parts[0] != "spex":
        return None
    parts = parts[1:]
    if parts and parts[0] in homes and ".".join(parts) not in NAMES:
        parts = homes[parts[0]].split(".")[1:]
    while parts and ".".join(parts) not in NAMES:
        parts = parts[:-1]
    return ".".join(parts) or "__init__"


def named(function):
    """The last name of what is called."""
    return getattr(function, "attr", getattr(function, "id", ""))


def imported(path):
    """Every module of spex that a file imports: at its top, in functions, for types, by name."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Call) and named(node.func) == "import_module":
            names = [a.value for a in node.args if isinstance(a, ast.Constant)]
        else:
            continue
        for name in names:
            found = resolved(name, HOMES)
            if found is not None:
                yield found


EDGES = {
    (name, other)
    for name, path in NAMES.items()
    if name != "__init__"
    for other in imported(path)
    if other != name
}


def room(module):
    return module.split(".")[0]


def test_every_room_has_a_floor():
    rooms = {room(name) for name in NAMES}
    listed = [name for floor in FLOORS for name in floor]
    assert rooms == set(listed) and len(listed) == len(set(listed))


def test_imports_go_one_way():
    floor = {name: number for number, floor in enumerate(FLOORS) for name in floor}
    back = {(a, b) for a, b in EDGES if room(a) != room(b) and floor[room(a)] <= floor[room(b)]}
    assert {(room(a), room(b)) for a, b in back} == set(BACK), sorted(back)
    for a, b in back:  # inside a function, so that importing the one does not load the other
        for node in ast.parse(NAMES[a].read_text()).body:
            assert not (isinstance(node, ast.ImportFrom) and node.module == f"spex.{b}")


def test_no_circles():
    graph = networkx.DiGraph(
        (a, b) for a, b in EDGES if (room(a), room(b)) not in BACK and "__init__" not in (a, b)
    )
    circles = {frozenset(found) for found in networkx.strongly_connected_components(graph)}
    assert {found for found in circles if len(found) > 1} == set(CIRCLES)


def test_benchmarks_import_what_there_is():
    for path in sorted((ROOT / "benchmarks").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("spex"):
                module = import_module(node.module)
                assert all(hasattr(module, alias.name) for alias in node.names), (path, node.module)


def test_no_folder_is_crowded():
    for folder in {path.parent for path in NAMES.values()}:
        count = len([path for path in folder.glob("*.py") if not path.name.startswith("_")])
        assert count <= 15, folder


def test_the_resolver_sees_every_form(tmp_path):
    file = tmp_path / "x.py"
    file.write_text(
        "import spex.f2.bch\n"
        "from spex import explain, models\n"
        "from spex.fourier import design\n"
        "from importlib import import_module\n"
        "def f():\n"
        "    from spex.report.html import render_html\n"
        "    import_module('spex.store')\n"
        "    import numpy.random\n"
    )
    assert set(imported(file)) == {
        "f2.bch",
        "explaining",
        "models",
        "fourier.design",
        "report.html",
        "__init__",
    }


@pytest.mark.parametrize("module", ["spex", "spex.cli"])
def test_import_is_light(module):
    heavy = "numpy|scipy|sklearn|numba|pandas|torch|transformers|matplotlib|shap|shapiq"
    code = f"import sys, {module}; print([m for m in '{heavy}'.split('|') if m in sys.modules])"
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert output.strip() == "[]"


def test_every_public_name_loads():
    import spex

    for name in spex.__all__:
        assert getattr(spex, name) is not None
    assert callable(spex.explain)
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = spex.no_such_name


def test_core_needs_no_extra():
    """explain, save, load and interactions work without the optional packages, which are named."""
    code = (
        "import sys\n"
        "class Missing:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        missing = ('torch', 'transformers', 'matplotlib', 'gguf', 'shap', 'shapiq')\n"
        "        if name.split('.')[0] in missing:\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Missing())\n"
        "import spex\n"
        "e = spex.explain(lambda m: m[:, 0] * m[:, 1], 30, budget=200)\n"
        "assert e.interactions().top(1)[0][0] == (0, 1), e.interactions().top(3)\n"
        "from spex import *\n"
        "def approximator(): from spex.interop import ShapiqApproximator\n"
        "for use, extra in [(lambda: spex.models.load('smollm2'), ''), (e.to_shap, 'shap]'),\n"
        "                   (e.to_shapiq, 'shapiq]'), (approximator, 'shapiq]')]:\n"
        "    try: use()\n"
        "    except spex.MissingExtraError as error: assert f'spex-explain[{extra}' in str(error)\n"
        "    else: raise SystemExit(f'no error: {use}')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

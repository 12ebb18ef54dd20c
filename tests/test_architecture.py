"""Data flows one way, and importing spex stays light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "spex"

# What each part may know of the others. The algorithms know no model, file, store or report.
ALLOWED = {
    "arguments": set(),
    "errors": set(),
    "extras": set(),
    "_typing": set(),
    "f2": {"f2"},
    "positive_definite": set(),
    "fourier": {"f2", "fourier", "positive_definite"},
    "surrogates": {"f2", "fourier", "positive_definite", "surrogates"},
    "fitting": {"f2", "fitting", "fourier", "surrogates"},
    "interactions": {"f2", "fourier", "interactions"},
    "planning": {"f2", "fourier", "planning", "report"},
    "models": {"models"},
    "inputs": {"inputs", "models"},
    "scores": {"models", "scores"},
    "evaluation": {"evaluation", "f2", "inputs", "models", "scores"},
    "explanation": {"files", "fourier", "interactions", "report", "_version"},
    "interop": {"explaining", "interactions", "interop"},
    "report": {"_version", "explanation", "files", "fourier", "inputs", "interactions", "report"},
}
ALWAYS = {"arguments", "errors", "extras", "_typing"}


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("spex."):
            yield node.module.split(".")[1]


@pytest.mark.parametrize("part", ALLOWED)
def test_imports_go_one_way(part):
    files = [SOURCE / f"{part}.py"] if (SOURCE / f"{part}.py").exists() else []
    files += (SOURCE / part).rglob("*.py")
    assert files
    for path in files:
        unexpected = set(imports(path)) - ALLOWED[part] - ALWAYS
        assert not unexpected, f"{path.relative_to(SOURCE)} imports {unexpected}"


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

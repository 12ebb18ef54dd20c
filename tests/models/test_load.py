"""Names of models, and what importing the package costs."""

import subprocess
import sys

import pytest

from spex.errors import ArgumentError
from spex.models import load


@pytest.mark.parametrize("name", ["", "gpt", "hf:", "gguf:", "SmolLM2", None, 3])
def test_unknown_names_list_the_known_ones(name):
    known = "'smollm2', 'hf:FOLDER_OR_HUB_NAME', 'gguf:FILE', "
    known += "'openai:MODEL@BASE_URL' or 'reply:MODULE:FUNCTION'"
    with pytest.raises(ArgumentError, match=f"is unknown; use {known}"):
        load(name)


def test_importing_loads_no_heavy_package():
    code = (
        "import sys, spex.values, spex.models\n"
        "heavy = {'torch', 'transformers', 'huggingface_hub', 'sentencex', 'openai', 'tenacity',\n"
        "         'xllamacpp'}\n"
        "heavy &= set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

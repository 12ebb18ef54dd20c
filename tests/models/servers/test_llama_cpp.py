"""Real servers: SmolLM2 in llama.cpp, over HTTP and from its file, against transformers."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import spex
from models import llama_server
from spex import Text
from spex.cli import main
from spex.errors import ArgumentError, BackendError, MissingExtraError
from spex.models import Message, Prompt, load
from spex.models.transformers.checkpoints.smollm2 import find_gguf

pytestmark = pytest.mark.slow  # they load SmolLM2

QUESTION = "Positive or negative? {input}"
TEXT = Text("Her acting never fails to impress; a thin plot.", prompt=QUESTION, system="Judge.")
SENTENCE = "The review is quite positive."
ANSWERS = ["positive", "negative", SENTENCE, " so <na\u00efve>\n"]


@pytest.fixture(scope="module")
def server():
    """The address of a running server."""
    process = subprocess.Popen(
        [sys.executable, llama_server.__file__], stdout=subprocess.PIPE, text=True
    )
    try:
        yield process.stdout.readline().strip() + "/v1"
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


@pytest.fixture(scope="module")
def http(server):
    return load(f"openai:smollm2@{server}")


@pytest.fixture(scope="module")
def gguf():
    # Two threads wait for each other where another process of tests has one of the cores.
    return load(f"gguf:{find_gguf()}", threads=1)


@pytest.fixture(scope="module")
def masks():
    drawn = np.random.default_rng(0).random((8, TEXT.n_features)) < 0.5
    drawn[0], drawn[1] = True, False
    return drawn


@pytest.fixture(scope="module")
def expected(smollm2, masks):
    """What transformers says, of the weights of the same file in float32."""
    prompts = [TEXT.render(mask) for mask in masks]
    return dict(smollm2.log_probs(prompts, ANSWERS))


@pytest.fixture(scope="module", params=["http", "gguf"])
def model(request):
    return request.getfixturevalue(request.param)


def differences(found, expected):
    """Of every token of every answer to every prompt, in nats."""
    assert sorted(found) == sorted(expected)
    pairs = [zip(found[number], expected[number], strict=True) for number in expected]
    return np.concatenate([ours - theirs for pair in pairs for ours, theirs in pair])


def test_log_probs_of_whole_answers_are_those_of_transformers(model, masks, expected):
    found = dict(model.log_probs([TEXT.render(mask) for mask in masks], ANSWERS))
    off = differences(found, expected)
    # llama.cpp quantises the activations as well as the weights: see GGUFModel.
    assert np.abs(off).max() < 0.6
    assert np.sqrt(np.square(off).mean()) < 0.2
    assert abs(off.mean()) < 0.1


def test_without_quantisation_they_agree_closely(tmp_path, smollm2, masks, expected):
    """The same weights, written out in float32: what is left is llama.cpp's cache in float16."""
    write_float32(find_gguf(), tmp_path / "float32.gguf")
    model = load(f"gguf:{tmp_path / 'float32.gguf'}", threads=1)
    prompts = [TEXT.render(mask) for mask in masks]
    assert np.abs(differences(dict(model.log_probs(prompts, ANSWERS)), expected)).max() < 0.02
    assert model.generate(prompts[:1], 8) == smollm2.generate(prompts[:1], 8)


def write_float32(source, target):
    import gguf

    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target, reader.fields["general.architecture"].contents())
    written = ("general.architecture", "general.file_type")  # by the writer
    for field in reader.fields.values():
        if not field.name.startswith("GGUF.") and field.name not in written:
            inner = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
            writer.add_key_value(field.name, field.contents(), field.types[0], inner)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    for tensor in reader.tensors:
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        writer.add_tensor(tensor.name, values.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_the_tokens_are_those_of_transformers(model, smollm2):
    for answer in ANSWERS:
        assert model.answer_tokens(answer) == smollm2.answer_tokens(answer)


def test_tokens_that_end_amid_a_character_are_refused(model):
    with pytest.raises(ArgumentError, match="has a character that is made of several tokens"):
        model.check_prompts([], ["so \U0001f600"])


def test_an_answer_without_tokens_is_refused(model):
    with pytest.raises(ArgumentError, match="the answer '' has no tokens"):
        model.check_prompts([], [""])


def test_the_order_of_questions_does_not_matter(model, masks):
    prompts = [TEXT.render(mask) for mask in masks[:4]]
    together = dict(model.log_probs(prompts, ANSWERS[:2]))
    for number in (3, 1):
        ((_, (alone,)),) = model.log_probs([prompts[number]], [ANSWERS[1]])
        np.testing.assert_allclose(alone, together[number][1], atol=0.02)


def test_asked_again_the_values_are_the_same(model, masks):
    """Also on a server with one cache for all slots, which is asked one thing at a time."""
    prompts = [TEXT.render(mask) for mask in masks[:8]]
    first, second = (dict(model.log_probs(prompts, ANSWERS[:2])) for _ in range(2))
    assert not differences(first, second).any()


def test_replies_are_greedy_answers(model, smollm2):
    prompts = [Prompt((Message("user", f"What is {n} plus {n}?"),)) for n in (1, 2, 3)]
    replies = dict(model.replies(prompts, 12))
    assert sorted(replies) == [0, 1, 2]
    assert [replies[number] for number in range(3)] == model.generate(prompts, 12)
    assert all(0 < len(smollm2.answer_tokens(reply)) <= 12 for reply in replies.values())


BEGUN, REST = "The review is", [" positive", " quite negative"]


@pytest.fixture(scope="module")
def continued(smollm2, masks):
    """What transformers says of the rest of an answer that is begun."""
    prompts = [TEXT.render(mask) for mask in masks[:4]]
    values = dict(load("smollm2", answer_prefix=BEGUN).log_probs(prompts, REST))
    plain = dict(smollm2.log_probs(prompts, REST))
    assert np.abs(differences(plain, values)).max() > 1
    return values


@pytest.mark.parametrize("route", ["http", "gguf"])
def test_the_start_of_an_answer_is_continued(request, route, server, masks, continued):
    if route == "http":
        model = load(f"openai:smollm2@{server}", answer_prefix=BEGUN)
    else:
        model = load(f"gguf:{find_gguf()}", answer_prefix=BEGUN, threads=1)
    prompts = [TEXT.render(mask) for mask in masks[:4]]
    off = differences(dict(model.log_probs(prompts, REST)), continued)
    assert np.abs(off).max() < 0.6
    (reply,) = model.generate(prompts[:1], 4)
    assert reply and not reply.startswith(BEGUN)
    # A prompt may begin its answer itself, as reasoning does.
    plain, own = request.getfixturevalue(route), [Prompt(prompts[0].messages, BEGUN)]
    assert np.abs(differences(dict(plain.log_probs(own, REST)), {0: continued[0]})).max() < 0.6
    assert plain.generate(own, 4) == [reply]
    assert model.identity != request.getfixturevalue(route).identity


def test_a_prompt_that_is_too_long(model):
    long = Prompt((Message("user", "word " * 9000),))
    with pytest.raises(ArgumentError, match=r"too long for the model's context .* shorten"):
        model.generate([long])
    with pytest.raises(ArgumentError, match=r"too long for the model's context .* shorten"):
        list(model.log_probs([long], ["yes"]))


def test_a_picture_for_a_model_of_text(model):
    image = spex.Image(np.zeros((4, 4, 3), dtype=np.uint8), unit="grid:2x2", prompt="What?")
    with pytest.raises(ArgumentError, match="takes no images; use a model that does"):
        spex.ValueFunction(image, model, spex.LogOdds("yes", "no"))


def test_usage_is_counted(model):
    before = model.usage.completion_tokens
    list(model.log_probs([Prompt((Message("user", "So?"),))], [SENTENCE]))
    assert model.usage.completion_tokens == before + 6
    assert model.usage.prompt_tokens > 0


@pytest.mark.parametrize("score", ["logodds:positive,negative", "logprob", "matches:(?i)posit"])
def test_command_line(server, tmp_path, monkeypatch, capsys, score):
    monkeypatch.chdir(tmp_path)
    Path("review.txt").write_text("It never fails to charm\n")
    arguments = ["explain", "--text", "review.txt", "--model", f"openai:smollm2@{server}"]
    arguments += ["--score", score, "--budget", "16", "--store", "s.sqlite", "--out", "e.json"]
    arguments += ["--prompt", "Is this positive or negative? {input} Answer with one word."]
    assert main(arguments) == 0
    assert "the server answered" in capsys.readouterr().err
    assert spex.Explanation.load("e.json").n_evaluations == 16


# --- files ---------------------------------------------------------------------------------------


def test_identity_is_that_of_the_file(gguf, tmp_path):
    copy = tmp_path / "copy.gguf"
    copy.write_bytes(find_gguf().read_bytes())
    again = load(f"gguf:{copy}")
    assert again.identity == gguf.identity
    assert again.identity.startswith("gguf:sha256:")
    assert again.name == f"gguf:{copy}"
    assert "127.0.0.1" not in again.identity


def test_nobody_else_can_use_the_server(gguf):
    from openai import AuthenticationError, OpenAI

    other = OpenAI(base_url=gguf._endpoint.base_url, api_key="none", max_retries=0)
    with pytest.raises(AuthenticationError):
        other.completions.create(model="x", prompt="x")


def test_nothing_is_printed(tmp_path, capfd):
    notices = []
    model = load(f"gguf:{find_gguf()}", notices.append)
    model.generate([Prompt((Message("user", "So?"),))], 1)
    assert capfd.readouterr() == ("", "")
    assert notices == [f"reading {find_gguf().name}"]


@pytest.mark.parametrize(
    ("content", "error", "says"),
    [
        (None, ArgumentError, "cannot be read: No such file or directory; name a GGUF file"),
        (b"PK\x03\x04", BackendError, "is no GGUF file"),
        (b"", BackendError, "is no GGUF file"),
        (b"GGUF" + b"\0" * 100, BackendError, "cannot be loaded"),
    ],
)
def test_files_that_are_wrong(tmp_path, capfd, content, error, says):
    path = tmp_path / "model.gguf"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(error, match=says) as caught:
        load(f"gguf:{path}")
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(ArgumentError, match="Is a directory; name a GGUF file"):
        load(f"gguf:{tmp_path}")


def test_a_file_that_breaks_off(tmp_path, capfd):
    path = tmp_path / "half.gguf"
    path.write_bytes(find_gguf().read_bytes()[:40_000_000])
    with pytest.raises(BackendError, match=r"half.gguf cannot be loaded"):
        load(f"gguf:{path}")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("module", ["xllamacpp", "openai"])
def test_the_extra_is_named(monkeypatch, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=r"pip install 'spex-explain\[gguf\]'"):
        load(f"gguf:{find_gguf()}")

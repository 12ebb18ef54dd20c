"""VisionLanguageModel on tiny random models, against plain transformers code, one row at a time."""

import json
import shutil

import numpy as np
import PIL.Image
import pytest

import spex
from models import tiny_vision as tiny
from spex import (
    Composite,
    Image,
    LogOdds,
    LogProb,
    Messages,
    Probability,
    Similarity,
    Text,
    ValueFunction,
)
from spex.cli import main
from spex.errors import ArgumentError, BackendError
from spex.inputs.pixels import data_url
from spex.models import Message, Prompt, load
from spex.models.transformers.vision import VisionLanguageModel

SAVE = {"llava_next": tiny.save_llava_next, "gemma3": tiny.save_gemma3}
QUESTION = "What is shown in it?"
ANSWER = "so no, it is"


def noise(height=24, width=40, channels=3):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (height, width, channels), dtype=np.uint8)


@pytest.fixture(scope="module", params=SAVE)
def folder(request, tmp_path_factory):
    return SAVE[request.param](tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def llava_folder(tmp_path_factory):
    return tiny.save_llava_next(tmp_path_factory.mktemp("llava"))


@pytest.fixture
def llava(llava_folder):
    return load(f"hf:{llava_folder}")


@pytest.fixture
def image():
    return Image(noise(), unit="grid:3x2", prompt=QUESTION)


@pytest.fixture
def both():
    """Patches of a picture, and words of a question."""
    return Composite(Image(noise(), unit="grid:3x2"), Text(QUESTION, system="Be kind."))


def drawn(n, count=12):
    return np.random.default_rng(1).random((count, n)) < 0.5


def plain(folder, masker, mask, answer):
    """Token log-probabilities by transformers, one mask at a time, the picture made by hand."""
    mask = np.asarray(mask, dtype=bool)
    if isinstance(masker, Image):
        picture = PIL.Image.fromarray(masker.mask_image(mask))
        messages = [("user", picture, masker.prompt)]
    else:
        image, text = masker.maskers
        picture = PIL.Image.fromarray(image.mask_image(mask[: image.n_features]))
        question = text.mask_text(mask[image.n_features :])
        messages = [("system", None, text.system), ("user", picture, question)]
    return np.array(tiny.log_probs(folder, messages, answer))


@pytest.fixture(scope="module")
def known():
    """What transformers says, by folder and input: it takes seconds."""
    return {}


@pytest.mark.parametrize("token_budget", [50, 2048])
@pytest.mark.parametrize("kind", ["image", "both"])
def test_log_probs_are_those_of_one_row_at_a_time(folder, kind, token_budget, request, known):
    masker = request.getfixturevalue(kind)
    model = VisionLanguageModel(folder, device="cpu", token_budget=token_budget)
    masks = drawn(masker.n_features)
    if (folder, kind) not in known:
        known[folder, kind] = [plain(folder, masker, mask, ANSWER) for mask in masks]
    expected = known[folder, kind]
    sums = ValueFunction(masker, model, LogProb(ANSWER))(masks)
    np.testing.assert_allclose(sums, [values.sum() for values in expected], atol=1e-3)
    means = ValueFunction(masker, model, LogProb(ANSWER, reduce="mean"))(masks)
    np.testing.assert_allclose(means, [values.mean() for values in expected], atol=1e-3)
    assert sums.std() > 0.1  # or the pictures would not matter


def test_scores(llava, llava_folder, image):
    masks = drawn(6, 8)
    expected = {
        answer: np.array([plain(llava_folder, image, mask, answer).sum() for mask in masks])
        for answer in (" no", "yes, so")
    }
    odds = ValueFunction(image, llava, LogOdds(" no", "yes, so"))
    np.testing.assert_allclose(odds(masks), expected[" no"] - expected["yes, so"], atol=1e-3)
    probability = ValueFunction(image, llava, Probability(" no"))
    np.testing.assert_allclose(probability(masks), np.exp(expected[" no"]), rtol=1e-3)
    whole = [plain(llava_folder, image, mask, ANSWER) for mask in masks]
    span = ValueFunction(image, llava, LogProb(ANSWER, span=" no"))
    np.testing.assert_allclose(span(masks), [values[2] for values in whole], atol=1e-3)
    tokens = ValueFunction(image, llava, LogProb(ANSWER)).per_token()
    assert "".join(one.token for one in tokens.scores) == ANSWER
    np.testing.assert_allclose(tokens(masks), whole, atol=1e-3)


def test_scores_of_replies(llava, llava_folder, image):
    masks = np.unique(drawn(6, 8), axis=0)
    pictures = [PIL.Image.fromarray(image.mask_image(mask)) for mask in masks]
    replies = [tiny.greedy(llava_folder, [("user", picture, QUESTION)], 10) for picture in pictures]
    assert len(set(replies)) > 1
    seen = []

    def measure(prompt, reply):
        seen.append((prompt, reply))
        return len(reply)

    values = ValueFunction(image, llava, spex.ReplyScore(measure, max_new_tokens=10))(masks)
    assert seen == [(QUESTION, reply) for reply in replies]
    assert values.tolist() == [len(reply) for reply in replies]
    similar = ValueFunction(image, llava, Similarity(max_new_tokens=10))
    assert similar([[1] * 6])[0] == pytest.approx(1, abs=1e-6)


def test_the_answer_is_the_greedy_one(folder, both):
    model = load(f"hf:{folder}")
    picture = PIL.Image.fromarray(noise())
    messages = [("system", None, "Be kind."), ("user", picture, QUESTION)]
    value = ValueFunction(both, model)
    assert value.answer == tiny.greedy(folder, messages, 64)
    assert model.generate([both.render([1] * both.n_features)], 5) == [
        tiny.greedy(folder, messages, 5)
    ]


def test_texts_alone(folder):
    model = load(f"hf:{folder}")
    text = Text(QUESTION)
    masks = drawn(text.n_features, 12)
    values = ValueFunction(text, model, LogProb(ANSWER))(masks)
    expected = [
        sum(tiny.log_probs(folder, [("user", None, text.mask_text(mask))], ANSWER))
        for mask in masks
    ]
    np.testing.assert_allclose(values, expected, atol=1e-3)
    assert model.generate([text.render([1] * 5)], 8) == [
        tiny.greedy(folder, [("user", None, QUESTION)], 8)
    ]


def test_texts_alone_share_prefixes(llava):
    assert llava.shares_prefixes


def test_pictures_of_several_sizes_in_one_call(llava, llava_folder):
    sizes = [(24, 40), (40, 24), (24, 40), (32, 32)]
    pictures = [PIL.Image.fromarray(noise(*size)) for size in sizes]
    prompts = [
        Prompt((Message("user", QUESTION, (data_url(picture, "png"),)),)) for picture in pictures
    ]
    prompts.append(Prompt((Message("user", QUESTION),)))
    scored = dict(llava.log_probs(prompts, [ANSWER]))
    for number, picture in enumerate([*pictures, None]):
        expected = tiny.log_probs(llava_folder, [("user", picture, QUESTION)], ANSWER)
        np.testing.assert_allclose(scored[number][0], expected, atol=1e-3)


@pytest.mark.parametrize("mode", ["L", "RGBA"])
def test_pictures_of_other_colours(llava, llava_folder, mode, tmp_path):
    picture = PIL.Image.fromarray(noise(channels=4)).convert(mode)
    prompt = Prompt((Message("user", QUESTION, (data_url(picture, "png"),)),))
    white = PIL.Image.new("RGBA", picture.size, "white")
    shown = PIL.Image.alpha_composite(white, picture) if mode == "RGBA" else picture
    expected = tiny.log_probs(llava_folder, [("user", shown.convert("RGB"), QUESTION)], ANSWER)
    np.testing.assert_allclose(dict(llava.log_probs([prompt], [ANSWER]))[0][0], expected, atol=1e-3)


def test_batches_hold_as_many_prompts_as_the_budget_allows(llava, image, monkeypatch):
    shapes = []
    llava._model.register_forward_pre_hook(
        lambda module, args, kwargs: shapes.append(tuple(kwargs["input_ids"].shape)),
        with_kwargs=True,
    )
    prompts = [image.render(mask) for mask in np.unique(drawn(6, 50), axis=0)[:20]]
    llava._row_tokens = 500
    dict(llava.log_probs(prompts, ["a", "b"]))
    (length,) = set(llava.count_tokens(prompts))
    size = 500 // length
    assert size > 1
    assert shapes == [(size, length)] * (20 // size) + [(20 % size, length)] * bool(20 % size)


def test_where_memory_runs_out_batches_are_halved(llava, both, monkeypatch):
    import torch

    masks = drawn(both.n_features, 16)
    value = ValueFunction(both, llava, LogProb(ANSWER))
    expected = value(masks)
    forward, sizes = llava._model.forward, []

    def limited(input_ids, **inputs):
        sizes.append(len(input_ids))
        if len(input_ids) > 5:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(input_ids=input_ids, **inputs)

    monkeypatch.setattr(llava._model, "forward", limited)
    np.testing.assert_allclose(value(masks), expected, atol=1e-5)
    assert max(sizes) > 5
    assert sum(size > 5 for size in sizes) < 4  # what follows is halved too, untried


def test_a_picture_counts_for_the_context(llava, image):
    (length,) = llava.count_tokens([image.render([1] * 6)])
    llava._max_tokens = length + 5
    with pytest.raises(ArgumentError, match=f"prompt 0 has {length} tokens, {length + 12} with"):
        ValueFunction(image, llava, LogProb(ANSWER + "so"))


def test_models_of_text_are_given_no_pictures(tiny_folder, image):
    with pytest.raises(ArgumentError, match="takes no images; use a model that does"):
        ValueFunction(image, f"hf:{tiny_folder}")


def test_what_stands_for_a_picture_is_refused_in_texts(folder):
    model = load(f"hf:{folder}")
    mark = model._processor.image_token
    with pytest.raises(ArgumentError, match=r"a text holds '.*', which stands for a picture"):
        ValueFunction(Text(f"so {mark} no"), model, LogProb("a"))
    with pytest.raises(ArgumentError, match=r"a text holds '.*', which stands for a picture"):
        ValueFunction(Text("so no"), model, LogProb(f"a {mark}"))


def test_templates_that_cannot_be_used(llava, image):
    template = llava._processor.chat_template
    llava._processor.chat_template = template.replace("<image>", "")
    with pytest.raises(
        ArgumentError, match=r"refuses the prompt: .* 0 <image> tokens and 1 images"
    ):
        ValueFunction(image, llava, LogProb("a"))
    llava._processor.chat_template = "{{ raise_exception('no pictures here') }}"
    with pytest.raises(ArgumentError, match="refuses the prompt: no pictures here"):
        ValueFunction(image, llava, LogProb("a"))
    llava._processor.chat_template = None
    with pytest.raises(ArgumentError, match="has no chat template to place pictures with"):
        ValueFunction(image, llava, LogProb("a"))
    llava._tokenizer.chat_template = None
    assert ValueFunction(Text("so no"), llava, LogProb("a"))([[1, 0]]).shape == (1,)


def test_a_picture_after_the_text(llava, image):
    (url,) = image.render([1] * image.n_features).messages[-1].images
    parts = [{"type": "text", "text": "so no"}, {"type": "image_url", "image_url": {"url": url}}]
    llava._processor.chat_template = (
        "{% for m in messages %}{% for part in m.content %}"
        "{{ '<image>' if part.type == 'image' else part.text }} {% endfor %}{% endfor %}"
    )
    places = []
    for content in (parts, parts[::-1]):
        prompt = Messages([{"role": "user", "content": content}], unit="word").render([1, 1])
        tokens = llava._read(prompt).tokens
        places.append(tokens.index(llava._image_token))
    after, before = places
    assert after > before


def test_a_processor_that_leaves_the_picture_out(llava, image, monkeypatch):
    apply = llava._processor.apply_chat_template
    text = [{"role": "user", "content": [{"type": "text", "text": QUESTION}]}]
    monkeypatch.setattr(
        llava._processor,
        "apply_chat_template",
        lambda conversation, **options: apply(text, **options),
    )
    with pytest.raises(ArgumentError, match="leaves the pictures out"):
        ValueFunction(image, llava, LogProb("a"))


def test_folders_that_cannot_be_used(llava_folder, tmp_path):
    broken = shutil.copytree(llava_folder, tmp_path / "broken")
    for file in ("processor_config.json", "preprocessor_config.json"):
        (broken / file).unlink(missing_ok=True)
    with pytest.raises(
        BackendError, match="as a vision-language model: Can't load image"
    ) as caught:
        load(f"hf:{broken}")
    assert "\n" not in str(caught.value)
    config = json.loads((llava_folder / "config.json").read_text())
    (broken / "config.json").write_text(json.dumps(config | {"is_encoder_decoder": True}))
    with pytest.raises(BackendError, match="is an encoder-decoder that reads pictures"):
        load(f"hf:{broken}")


def test_command_line(llava_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    PIL.Image.fromarray(noise()).save("noise.png")
    call = ["explain", "--image", "noise.png", "--unit", "grid:3x2", "--prompt", QUESTION]
    call += ["--model", f"hf:{llava_folder}", "--no-store"]
    assert main([*call, "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("6 regions (mask: mean)\n")
    assert f"[user]\n{QUESTION}\n" in out
    assert " tokens a prompt, " in out
    assert main([*call, "--budget", "64", "--out", "e.json", "--html", "e.html"]) == 0
    explanation = spex.Explanation.load("e.json")
    assert explanation.r2 == 1
    value = ValueFunction(
        Image("noise.png", unit="grid:3x2", prompt=QUESTION), f"hf:{llava_folder}"
    )
    masks = drawn(6, 4)
    np.testing.assert_allclose(explanation.predict(masks), value(masks), atol=1e-3)
    assert explanation.context["answer"] == value.answer
    page = (tmp_path / "e.html").read_text()
    assert "data:image/jpeg;base64," in page
    assert QUESTION in page


def test_answers_follow_the_prompt_not_its_end(llava, llava_folder, image):
    from tokenizers.processors import TemplateProcessing

    expected = ValueFunction(image, llava, LogProb(ANSWER))(drawn(6, 3))
    assert np.isfinite(expected).all()
    ends = load(f"hf:{llava_folder}")
    ends._tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)]
    )
    np.testing.assert_allclose(
        ValueFunction(image, ends, LogProb(ANSWER))(drawn(6, 3)), expected, atol=1e-5
    )
    prompt = Prompt((Message("user", QUESTION),))
    assert ends.generate([prompt], 3) == llava.generate([prompt], 3)


def test_variables_of_the_template_and_the_start_of_an_answer(tmp_path, image):
    folder = tiny.save_llava_next(tmp_path)
    template = tiny.LLAVA_TEMPLATE + "{% if off %}so{% endif %}"
    (folder / "chat_template.jinja").write_text(template)
    masks = drawn(6, 3)
    values = [
        ValueFunction(image, load(f"hf:{folder}", **options), LogProb(" no"))(masks)
        for options in ({"answer_prefix": "so"}, {"chat_template_kwargs": {"off": True}})
    ]
    np.testing.assert_allclose(values[0], values[1], atol=1e-5)
    plain = load(f"hf:{folder}")
    assert not np.allclose(ValueFunction(image, plain, LogProb(" no"))(masks), values[0])
    with pytest.raises(ArgumentError, match="has no variable 'on'"):
        load(f"hf:{folder}", chat_template_kwargs={"on": True})

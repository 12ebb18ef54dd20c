"""The OpenAI-compatible backend against a strict stand-in: every value, failure and message."""

import json
import logging
import re
import signal
import subprocess
import sys
import time
import traceback
import urllib.error
import urllib.request
from collections import Counter
from contextlib import contextmanager

import numpy as np
import PIL.Image
import pytest

import spex
from models import fake_openai as fake
from spex import LogOdds, LogProb, Matches, Messages, Similarity, Text, ValueFunction
from spex.cli import main
from spex.errors import ArgumentError, BackendError, MissingExtraError, SpexError
from spex.inputs.composite import Composite
from spex.inputs.image import Image
from spex.inputs.pixels import data_url
from spex.models import Message, Prompt, load
from spex.models.servers.endpoint import CONCURRENCY
from spex.models.servers.openai import OpenAIModel
from spex.values.scoring_check import N_CALLS

KEY = "sk-secret-of-the-test-0123456789"
TEXT = "Her acting never fails to impress"
ODDS = LogOdds("positive", "negative")


def user(text):
    return Prompt((Message("user", text),))


class Fake:
    """A running stand-in."""

    def __init__(self, address):
        self.address = address
        self.url = f"{address}/v1"
        self.name = f"openai:{fake.MODEL}@{self.url}"

    def log(self):
        with urllib.request.urlopen(f"{self.address}/log") as reply:
            return json.load(reply)

    def requests(self):
        return self.log()["requests"]

    def model(self, **options):
        return OpenAIModel(fake.MODEL, self.url, **options)


@contextmanager
def running(*arguments):
    command = [sys.executable, fake.__file__, *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield Fake(process.stdout.readline().strip())
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@pytest.fixture(scope="module")
def openai():
    with running("openai") as server:
        yield server


@pytest.fixture(scope="module")
def vllm():
    with running("vllm") as server:
        yield server


@pytest.fixture(scope="module")
def text_only():
    with running("text") as server:
        yield server


def word_odds(value, masks):
    return [fake.log_odds(value.render(mask)) for mask in masks]


# --- values --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def masks():
    return np.random.default_rng(0).random((40, 6)) < 0.5


def test_log_odds_of_labels(openai, masks):
    value = ValueFunction(Text(TEXT, prompt="Review: {input}", system="Judge."), openai.name, ODDS)
    np.testing.assert_allclose(value(masks), word_odds(value, masks), atol=1e-12)


def test_log_prob_of_a_label(openai):
    model = openai.model()
    ((_, values),) = model.log_probs([user("never fails")], ["The", " positive"])
    assert [v.tolist() for v in values] == [
        [fake.label_log_probs("never fails")["The"]],
        [fake.label_log_probs("never fails")[" positive"]],
    ]
    assert model.answer_tokens("positive") == [(0, 8)]


def test_log_prob_of_a_whole_answer(vllm, masks):
    answer = "quite good"
    value = ValueFunction(Text(TEXT, system="Judge."), vllm.name, LogProb(answer))
    values = value(masks)
    for mask, got in zip(masks, values, strict=True):
        messages = [
            {"role": "system", "content": "Judge."},
            {"role": "user", "content": value.render(mask)},
        ]
        before, expected = fake.chat_ids(messages), 0.0
        for token in fake.token_ids(answer):
            expected += fake.token_log_prob(before, token)
            before = [*before, token]
        assert got == pytest.approx(expected, abs=1e-12)


def test_answers_of_different_length_in_one_request(vllm):
    model = vllm.model()
    prompts = [user("a b"), user("c")]
    scored = dict(model.log_probs(prompts, ["ab", "xyz"]))
    for number, prompt in enumerate(prompts):
        before = fake.chat_ids([{"role": "user", "content": prompt.text}])
        assert [len(values) for values in scored[number]] == [2, 3]
        assert scored[number][1][0] == fake.token_log_prob(before, ord("x"))
    paths = Counter(entry["path"] for entry in vllm.requests()[-4:])
    assert paths == {"/tokenize": 2, "/v1/completions": 2}


def test_span_of_a_whole_answer(vllm):
    model = vllm.model()
    assert model.answer_tokens("h\U0001f600y") == [(0, 1), (1, 2), (2, 3)]
    prompt = user("never fails")
    part = LogProb("quite good", span="good").resolve(model, prompt)
    ((_, value),) = part.evaluate(model, [prompt])
    ((_, (all_tokens,)),) = model.log_probs([prompt], ["quite good"])
    assert value == pytest.approx(all_tokens[-4:].sum())


def test_tokens_that_end_amid_a_character():
    from spex.models.servers.log_prob_routes import spans

    # As byte tokens: a, two halves of an emoji, b.
    assert spans("a\U0001f600b", ["a", "a\ufffd", "a\U0001f600", "a\U0001f600b"]) == [
        (0, 1),
        (1, 2),
        (1, 2),
        (2, 3),
    ]


def test_replies(text_only, masks):
    value = ValueFunction(Text(TEXT), text_only.name, Matches("good"))
    expected = [float(odds > 0) for odds in word_odds(value, masks)]
    assert value(masks).tolist() == expected


def test_generate_keeps_the_order(text_only):
    prompts = [user(text) for text in ("never", "never fails", "fails", "never fails", "x")]
    expected = [fake.reply(prompt.text) for prompt in prompts]
    assert text_only.model().generate(prompts) == expected
    assert text_only.model().generate(prompts[:1], 3) == [" ".join(expected[0].split()[:3])]


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_this_machine_is_asked_without_a_proxy(text_only, monkeypatch, variable):
    monkeypatch.setenv(variable, "http://127.0.0.1:9")
    assert text_only.model().generate([user("never fails")]) == [fake.reply("never fails")]


def test_usage_is_counted(vllm):
    model = vllm.model()
    dict(model.log_probs([user("a b"), user("c")], ["ab", "xyz"]))
    # Tokens of two answers and of two prompts, two prompts scored; the list of models is no work.
    assert (model.usage.requests, model.usage.failures) == (6, 0)
    assert model.usage.uncounted == 0  # no tokens are spent on tokenizing
    prompt_tokens = sum(len(fake.chat_ids([{"role": "user", "content": c}])) for c in ("a b", "c"))
    assert model.usage.prompt_tokens == 2 * prompt_tokens + 2 * 5
    assert model.usage.completion_tokens == 4


def test_the_price_is_told_with_the_result(text_only, tmp_path):
    model = load(text_only.name, price=(0.5, 2))
    model.generate([user("not of this explanation")])
    value = ValueFunction(Text(TEXT), model, Similarity(), store=tmp_path / "s.sqlite")
    explanation = spex.explain(value, budget=64, store=tmp_path / "s.sqlite")
    usage = explanation.context["usage"]
    replies = [e for e in text_only.requests() if e["path"] == "/v1/chat/completions"][-67:]
    texts = [json.loads(entry["body"])["messages"][0]["content"] for entry in replies]
    read = sum(len(text.split()) for text in texts)
    written = sum(len(fake.reply(text).split()) for text in texts)
    assert usage == {
        "requests": 67,  # the reference, 64 masks, and two of them again
        "failures": 0,
        "prompt_tokens": read,
        "completion_tokens": written,
        "cost": (0.5 * read + 2 * written) / 1e6,
    }
    told = f"67 requests, {read} tokens read, {written} written, ${usage['cost']:.5f}"
    assert f"server: {told}\n" in repr(explanation)
    explanation.to_html(tmp_path / "e.html")
    assert told in (tmp_path / "e.html").read_text()
    # What is in the store costs nothing.
    again = ValueFunction(Text(TEXT), model, Similarity(), store=tmp_path / "s.sqlite")
    usage = spex.explain(again, budget=64, store=tmp_path / "s.sqlite").context["usage"]
    assert (usage["requests"], usage["cost"]) == (0, 0)
    without = ValueFunction(Text(TEXT), text_only.name, Matches("good")).contexts()[0].usage
    assert "cost" not in without


@pytest.mark.parametrize("price", [1, (1,), (1, -1), ("1", "2"), (1, float("nan")), (True, 1)])
def test_prices_that_are_none(text_only, price):
    with pytest.raises(ArgumentError, match="give dollars per million tokens read and written"):
        load(text_only.name, price=price)


def test_concurrency_is_bounded():
    with running("text", "--delay", 0.05) as server:
        model = server.model(concurrency=3)
        model.generate([user(str(number)) for number in range(20)])
        assert server.log()["at_once"] == 3


def test_llama_cpp_is_asked_one_thing_at_a_time(openai, monkeypatch):
    assert openai.model()._endpoint.concurrency == CONCURRENCY
    monkeypatch.setattr(OpenAIModel, "_look_up", lambda self: {"owned_by": "llamacpp"})
    assert openai.model()._endpoint.concurrency == 1
    assert openai.model(concurrency=4)._endpoint.concurrency == 4


# --- failures that pass --------------------------------------------------------------------------


@pytest.fixture
def quick_pauses(monkeypatch):
    """Pauses between attempts grow from so little, not from half a second."""
    monkeypatch.setattr("spex.models.servers.endpoint._FIRST_PAUSE", 0.02)


def explain(server, score, store=None, **options):
    value = ValueFunction(Text(TEXT), server.model(**options), score)
    return spex.explain(value, budget=64, seed=0, store=store)


@pytest.mark.parametrize(
    ("kind", "score"),
    [("openai", ODDS), ("vllm", LogOdds("good", "bad film")), ("text", Matches("good"))],
)
def test_a_server_that_fails_a_quarter_of_the_time_gives_the_same(
    kind, score, tmp_path, monkeypatch, quick_pauses
):
    # One in thirteen is unusable here: some requests meet two of them.
    monkeypatch.setattr("spex.models.servers.endpoint._UNUSABLE_ATTEMPTS", 8)
    with running(kind) as steady:
        expected = explain(steady, score)
    with running(kind, "--fail", 4, "--jitter", 0.03) as flaky:
        # Less than the server's slowness, so that a slow request counts as failed.
        found = explain(flaky, score, tmp_path / "s.sqlite", timeout=2.0)
        requests = flaky.requests()
    assert found.to_dict()["spectrum"] == expected.to_dict()["spectrum"]
    failures = [entry["outcome"] for entry in requests if entry["outcome"] != "served"]
    assert len(failures) == len(requests) // 4
    # Every way of failing has come up.
    assert set(failures) == set(fake.WAYS)
    # What was served was asked once, but for two prompts at the end, of one or two requests each,
    # and for three of the check, one of which is asked twice there.
    served = Counter(
        (entry["path"], entry["body"]) for entry in requests if entry["outcome"] == "served"
    )
    again = {"text": 2, "openai": 2 + 4, "vllm": 4 + 5}[kind]
    assert sum(served.values()) - len(served) == again
    with spex.Store(tmp_path / "s.sqlite") as store:
        assert len(store) == 64 + 2


@pytest.mark.parametrize("way", fake.UNUSABLE)
def test_an_unusable_reply_is_asked_for_once_more(openai, way, quick_pauses):
    model = openai.model()
    with running("openai", "--fail", 1, "--way", way) as server:
        model._endpoint.base_url = server.url
        kind, text = message_of(lambda: model.generate([user("a")]))
        assert len(server.requests()) == 2
    assert kind is BackendError
    assert "sent a reply that cannot be used" in text and "; 2 attempts failed" in text
    # What it cost is counted.
    assert model.usage.prompt_tokens == (18 if way == "other JSON" else 0)


@pytest.mark.parametrize("way", ["huge", "gzip"])
def test_a_reply_without_end_is_not_read(openai, monkeypatch, way):
    monkeypatch.setattr("spex.models.servers.endpoint._LARGEST_REPLY", 2 << 20)
    model = openai.model()
    with running("openai", "--fail", 1, "--way", way) as server:
        model._endpoint.base_url = server.url
        kind, text = message_of(lambda: model.generate([user("a")]))
        assert len(server.requests()) == 1
    assert kind is BackendError
    assert text.endswith("sent a reply of more than 2 MB, the most that is read")


def test_a_redirect_is_not_followed(openai):
    model = openai.model()
    with running("openai", "--fail", 1, "--way", "redirect") as server:
        model._endpoint.base_url = server.url
        kind, text = message_of(lambda: model.generate([user("a")]))
        assert len(server.requests()) == 1
    assert kind is BackendError
    assert text.endswith("answered with HTTP 307; give the address that it redirects to")


def test_replies_without_text_are_gaps(tmp_path):
    with running("text", "--fail", 8, "--way", "null") as server:
        explanation = explain(server, Matches("^$"), tmp_path / "s.sqlite")
        requests = server.requests()[1:]
    # Each is asked once, and scored as an empty reply.
    assert len({entry["body"] for entry in requests[:64]}) == 64
    assert [entry["outcome"] for entry in requests[:64]].count("null") == 8
    assert explanation.spectrum.coefficients[0] == pytest.approx(8 / 64)
    count = [entry["outcome"] for entry in requests].count("null")
    note = f"{count} of {len(requests)} replies had no text, such as after a content filter"
    assert explanation.notes[0].startswith(note)


@pytest.mark.parametrize(
    ("message", "reason", "text", "has_text", "cut_off"),
    [
        ({"content": None}, "content_filter", "", False, False),
        ({"content": None, "reasoning_content": "hm"}, "length", "", False, True),
        ({"tool_calls": []}, "tool_calls", "", False, False),
        ({"content": None, "refusal": "No."}, "stop", "No.", True, False),
        ({"content": ""}, "stop", "", True, False),
        ({"content": "so"}, "length", "so", True, True),
    ],
)
def test_what_a_reply_tells(message, reason, text, has_text, cut_off):
    from spex.models.servers.openai import _reply

    reply = _reply({"choices": [{"message": message, "finish_reason": reason}]})
    assert (reply, reply.has_text, reply.cut_off) == (text, has_text, cut_off)


def test_a_rate_limit_is_kept_to():
    with running("text", "--limit", 0.4) as server:
        model = server.model()
        time.sleep(0.5)
        model.generate([user(str(number)) for number in range(3)])
        requests = server.requests()[1:]
        assert model.usage.failures == len([e for e in requests if e["outcome"] == "429"])
    # After a refusal nobody asks for as long as the server said (1 s).
    refusals = [entry["time"] for entry in requests if entry["outcome"] == "429"]
    assert refusals
    first = refusals[0]
    assert not [e for e in requests if first + 0.1 < e["time"] < first + 0.99]


def test_a_date_in_retry_after(monkeypatch):
    from email.utils import formatdate

    from spex.models.servers.failures import _retry_after

    assert _retry_after({}) is None
    assert _retry_after({"retry-after": "7"}) == 7
    assert _retry_after({"retry-after": "-7"}) == 0
    assert _retry_after({"retry-after": "soon"}) is None
    assert 58 < _retry_after({"retry-after": formatdate(time.time() + 60, usegmt=True)}) <= 60


# --- pictures ------------------------------------------------------------------------------------


def quarters(**options):
    """A white picture whose quarters are seen where they are present."""
    white = np.full((20, 30, 3), 255, dtype=np.uint8)
    return Image(white, unit="grid:2x2", operator="grey", **options)


@pytest.fixture
def with_words():
    return Composite(quarters(system="Judge."), Text("Her acting never fails"))


def seen(masker, masks):
    """What the stand-in makes of each masked prompt, from the mask alone."""
    texts = []
    for mask in np.asarray(masks, dtype=bool):
        words = [word for word, here in zip(fake.SEEN, mask[:4], strict=True) if here]
        texts.append(" ".join([*words, masker.render(mask).text]))
    return texts


def test_pictures_are_sent_as_parts(openai):
    masker = quarters(prompt="Is it good?", system="Judge.")
    openai.model().generate([masker.render([1, 0, 1, 1])])
    body = json.loads(openai.requests()[-1]["body"])
    system, user = body["messages"]
    assert system == {"role": "system", "content": "Judge."}
    image, text = user["content"]
    assert text == {"type": "text", "text": "Is it good?"}
    assert (set(image), image["type"]) == ({"type", "image_url"}, "image_url")
    assert list(image["image_url"]) == ["url"]
    picture = fake.picture(image["image_url"]["url"])
    assert picture.size == (30, 20)
    np.testing.assert_array_equal(np.asarray(picture), masker.mask_image([1, 0, 1, 1])[:, :, 0])
    openai.model().generate([quarters().render([1, 1, 1, 1])])
    body = json.loads(openai.requests()[-1]["body"])
    assert [part["type"] for part in body["messages"][0]["content"]] == ["image_url"]
    picture = {
        "type": "image_url",
        "image_url": {"url": masker.render([1] * 4).messages[-1].images[0]},
    }
    text = {"type": "text", "text": "Is it good?"}
    for content in ([picture, text], [text, picture]):
        chat = Messages([{"role": "user", "content": content}], unit="word")
        openai.model().generate([chat.render([1] * 3)])
        assert json.loads(openai.requests()[-1]["body"])["messages"][0]["content"] == content


def test_log_odds_of_labels_after_pictures(openai, with_words):
    masks = np.random.default_rng(0).random((40, 8)) < 0.5
    values = ValueFunction(with_words, openai.name, ODDS)(masks)
    expected = [fake.log_odds(text) for text in seen(with_words, masks)]
    assert len(set(expected)) == 4
    np.testing.assert_allclose(values, expected, atol=1e-12)


def test_replies_to_pictures(text_only, with_words):
    masks = np.random.default_rng(0).random((20, 8)) < 0.5
    expected = [fake.reply(text) for text in seen(with_words, masks)]
    values = ValueFunction(with_words, text_only.name, Matches("good"))(masks)
    assert values.tolist() == ["good" in reply for reply in expected]
    similar = ValueFunction(with_words, text_only.name, Similarity())
    assert similar.answer == fake.reply(seen(with_words, [[1] * 8])[0])
    whole, other = similar([[1] * 8, [1, 0, 0, 0, 1, 1, 1, 0]])
    assert whole == pytest.approx(1.0, abs=1e-6)
    assert other < 0.6


def test_log_prob_of_a_whole_answer_after_a_picture(vllm, with_words):
    masks = np.random.default_rng(0).random((10, 8)) < 0.5
    values = ValueFunction(with_words, vllm.name, LogProb("quite good"))(masks)
    for text, got in zip(seen(with_words, masks), values, strict=True):
        before, expected = fake.token_ids(f"<system>Judge.<user>{text}<assistant>"), 0.0
        for token in fake.token_ids("quite good"):
            expected += fake.token_log_prob(before, token)
            before = [*before, token]
        assert got == pytest.approx(expected, abs=1e-12)
    value = ValueFunction(with_words, vllm.name, LogProb(" quite good"))
    kind, text = message_of(lambda: value(masks))
    assert kind is ArgumentError
    assert "the tokens of the answer ' quite good' after the chat template" in text


def test_tokens_of_pictures_are_counted(text_only):
    model = text_only.model()
    model.generate([quarters(prompt="Is it good?").render(mask) for mask in np.eye(4)])
    assert model.usage.prompt_tokens == 4 * (fake.PICTURE_TOKENS + 3)


GOOD_URL = data_url(PIL.Image.new("RGB", (4, 4)), "png")


@pytest.mark.parametrize(
    ("role", "part", "says"),
    [
        ("user", {"type": "image", "image_url": {"url": GOOD_URL}}, "unknown type of part"),
        ("user", {"type": "image_url", "image_url": GOOD_URL}, "must be an object"),
        ("user", {"type": "image_url", "url": GOOD_URL}, "unknown fields"),
        ("user", {"type": "text", "text": ""}, "text is empty"),
        ("user", {"type": "image_url", "image_url": {"url": GOOD_URL[:86]}}, "no picture"),
        ("user", {"type": "image_url", "image_url": {"url": "cat.png"}}, "PNG data URL"),
        ("system", {"type": "image_url", "image_url": {"url": GOOD_URL}}, "only a user"),
    ],
)
def test_the_stand_in_refuses_malformed_parts(text_only, role, part, says):
    messages = [{"role": role, "content": [part]}]
    body = {"model": fake.MODEL, "messages": messages, "max_tokens": 5, "temperature": 0}
    request = urllib.request.Request(
        f"{text_only.url}/chat/completions",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)
    assert caught.value.code == 400
    assert re.search(says, json.load(caught.value)["error"]["message"])


# --- failures that last --------------------------------------------------------------------------


def message_of(call):
    with pytest.raises(SpexError) as caught:
        call()
    text = str(caught.value)
    assert "\n" not in text
    assert KEY not in "".join(traceback.format_exception(caught.value))
    return type(caught.value), text


def test_no_log_probs_is_said_with_what_to_do(text_only):
    kind, text = message_of(lambda: ValueFunction(Text(TEXT), text_only.name, ODDS)([[1] * 6]))
    assert kind is ArgumentError
    assert "gives no log-probabilities for 'words'" in text
    assert "similarity (spex.Similarity())" in text


def test_a_whole_answer_on_a_server_that_scores_first_tokens(openai):
    kind, text = message_of(lambda: ValueFunction(Text(TEXT), openai.name))
    assert kind is ArgumentError
    assert "the answer 'The review is good.' has several tokens" in text
    assert "vLLM, SGLang, llama.cpp" in text and "spex.Similarity()" in text


def test_an_answer_that_is_not_among_the_first(openai):
    value = ValueFunction(Text(TEXT), openai.name, LogOdds("positive", "dreadful"))
    kind, text = message_of(lambda: value([[1] * 6]))
    assert kind is BackendError
    assert "'dreadful' is not one of the 4 first tokens" in text
    assert "most probable: 'positive'" in text


def test_a_prompt_that_is_too_long(openai):
    kind, text = message_of(lambda: openai.model().generate([user("word " * 61)]))
    assert kind is ArgumentError
    assert "too long for the model's context" in text and "shorten the text" in text


def test_a_wrong_key_is_not_quoted(monkeypatch):
    with running("openai", "--key", "another") as server:
        kind, text = message_of(server.model)
        assert kind is BackendError
        assert "OPENAI_API_KEY: check the key" in text
        monkeypatch.delenv("OPENAI_API_KEY")
        _, text = message_of(server.model)
        assert "OPENAI_API_KEY: put your key" in text
        monkeypatch.setenv("OPENAI_API_KEY", "another")
        model = server.model()
        assert "another" not in model.identity + model.name + repr(model)


def test_a_server_that_quotes_the_key_is_not_quoted(openai):
    kind, text = message_of(lambda: openai.model().generate([user(fake.QUOTE)]))
    assert kind is BackendError
    assert "answered with HTTP 400: I was sent [key]" in text


@pytest.mark.parametrize("broken", [f"{KEY}\nx", f"{KEY} x", f"{KEY}\u20ac"])
def test_a_key_that_cannot_be_sent_is_not_quoted(openai, monkeypatch, broken):
    monkeypatch.setenv("OPENAI_API_KEY", broken)
    kind, text = message_of(openai.model)
    assert kind is ArgumentError
    assert "the key in OPENAI_API_KEY holds characters that no key holds" in text
    monkeypatch.setenv("OPENAI_API_KEY", f" {KEY}\n")
    openai.model()


@pytest.mark.parametrize(
    ("way", "says"),
    [
        ("500", "answered with HTTP 500: The server had an error"),
        ("slow", "did not answer within 0.5 s"),
        ("cut", "cannot be reached or broke off"),
        ("half", "cannot be reached or broke off"),
        ("no JSON", "sent a reply that cannot be used: Expecting value"),
        ("other JSON", "sent a reply that cannot be used: it does not follow the OpenAI API"),
        ("error", "answered with an error: The server is broken"),
        ("reset", "cannot be reached or broke off"),
        ("HTML", "sent a reply that cannot be used: it is no JSON object"),
    ],
)
def test_every_failure_is_told(monkeypatch, openai, way, says, quick_pauses):
    monkeypatch.setattr("spex.models.servers.endpoint._ATTEMPTS", 2)
    model = openai.model(timeout=0.5)
    with running("openai", "--fail", 1, "--way", way) as server:
        model._endpoint.base_url = server.url
        kind, text = message_of(lambda: model.generate([user("a")]))
    assert kind is BackendError
    assert f"{says}" in text and "; 2 attempts failed" in text


def test_a_rate_limit_without_end(monkeypatch, openai):
    monkeypatch.setattr("spex.models.servers.endpoint.PATIENCE_SECONDS", 1.0)
    model = openai.model()
    with running("openai", "--fail", 1, "--way", "429") as server:
        model._endpoint.base_url = server.url
        kind, text = message_of(lambda: model.generate([user("a")]))
    assert kind is BackendError
    assert "answered with HTTP 429: Rate limit; it did so for 1 s" in text


def test_the_key_is_in_no_log(openai, caplog, tmp_path):
    with caplog.at_level(logging.DEBUG):
        value = ValueFunction(Text(TEXT), openai.name, ODDS)
        spex.explain(value, budget=64, store=tmp_path / "s.sqlite").save(tmp_path / "e.json")
    assert KEY not in caplog.text
    assert KEY not in value.identity
    for path in tmp_path.iterdir():
        assert KEY.encode() not in path.read_bytes()


def test_a_model_that_is_not_served(openai):
    kind, text = message_of(lambda: OpenAIModel("gpt-9", openai.url))
    assert kind is ArgumentError
    assert "serves no model 'gpt-9'; it serves 'words'" in text


def test_a_server_that_is_not_there():
    started = time.monotonic()
    kind, text = message_of(lambda: OpenAIModel("words", "http://127.0.0.1:9/v1"))
    assert kind is BackendError
    assert text.startswith("http://127.0.0.1:9/v1 cannot be reached") and "4 attempts" in text
    assert time.monotonic() - started < 15


def test_a_server_that_is_not_there_is_told_while_it_is_tried_again():
    told = []
    with pytest.raises(BackendError, match="4 attempts failed"):
        OpenAIModel("words", "http://127.0.0.1:9/v1", notice=told.append)
    (message,) = told  # once, however often it fails
    assert message.startswith("http://127.0.0.1:9/v1 cannot be reached")
    assert message.endswith("; trying again")


def test_failures_of_a_server_are_told_on_standard_error_once(openai, capfd):
    openai.model(notice=None)
    assert capfd.readouterr().err == ""
    code = (
        "from spex.models import load\n"
        "try: load('openai:words@http://127.0.0.1:9/v1')\n"
        "except Exception: pass\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.count("trying again") == 1


def test_an_address_that_is_no_api(openai):
    # Not every server lists its models, so the first question about one finds out.
    model = OpenAIModel("words", openai.address)
    kind, text = message_of(lambda: model.generate([user("a")]))
    assert kind is BackendError
    assert "answered with HTTP 404" in text


def test_a_server_that_only_fails(monkeypatch, quick_pauses):
    monkeypatch.setattr("spex.models.servers.endpoint._ATTEMPTS", 3)
    with running("openai") as good:
        model = good.model(timeout=0.5)
    with running("openai", "--fail", 1) as server:
        model._endpoint.base_url = server.url
        kind, text = message_of(lambda: model.generate([user("a")]))
        assert len(server.requests()) == 4  # a refusal for the rate uses up no attempt
    assert kind is BackendError
    assert "3 attempts failed" in text


@pytest.mark.parametrize(
    "name",
    [
        "openai:",
        "openai:gpt",
        "openai:@http://localhost/v1",
        "openai:gpt@localhost:8000",
        f"openai:gpt@user:{KEY}@localhost",
        f"openai:gpt@http://user:{KEY}@localhost/v1",
        f"openai:gpt@http://localhost/v1?key={KEY}",
        "openai:gpt@http://localhost:port/v1",
    ],
)
def test_names_that_are_wrong(name):
    kind, text = message_of(lambda: load(name))
    assert kind is ArgumentError
    assert "'openai:MODEL@BASE_URL', such as" in text


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"concurrency": 0}, "concurrency=0 is below 1"),
        ({"timeout": 0}, "timeout=0; give seconds, a finite number above 0"),
    ],
)
def test_options_that_are_wrong(openai, options, says):
    assert says in message_of(lambda: openai.model(**options))[1]


def test_wrong_max_new_tokens(openai):
    assert "below 1" in message_of(lambda: openai.model().generate([user("a")], 0))[1]


def test_the_extra_is_named(openai, monkeypatch):
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'spex-explain\[openai\]'"):
        openai.model()


@pytest.mark.parametrize(
    "entry",
    [
        [None, {"1": {"logprob": -1.0}}],  # too few
        [None, {"1": {"logprob": -1.0}}, {"9": {"logprob": -1.0}}],  # of another token
        [None, {"1": {"logprob": -1.0}}, {"2": {"logprob": None}}],
        [None, {"1": {"logprob": -1.0}}, {"2": {"logprob": -9999.0}}],
        [None, {"1": {"logprob": -1.0}}, {"2": {"logprob": 0.5}}],
        None,
    ],
)
def test_prompt_log_probs_that_cannot_be_used(entry):
    from spex.models.servers.vllm import _of_tokens

    with pytest.raises(Exception, match=r".") as caught:
        _of_tokens(entry, 1, [1, 2])
    assert not isinstance(caught.value, SpexError)  # so that it is asked for again


# --- crash and Ctrl-C ----------------------------------------------------------------------------


def test_a_failure_amid_a_run_loses_no_finished_call(tmp_path):
    with running("openai") as server:
        # One masked prompt is too long: words grow when they are masked.
        text = Text("a b c d e f", operator="mask:" + "x y " * 6)
        value = ValueFunction(text, server.name, ODDS)
        with pytest.raises(ArgumentError, match="too long"):
            spex.explain(value, budget=64, store=tmp_path / "s.sqlite")
        served = [e for e in server.requests() if e["outcome"] == "served" and "chat" in e["path"]]
    with spex.Store(tmp_path / "s.sqlite") as store:
        assert len(store) == len(served)


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_process_loses_no_finished_call(tmp_path, monkeypatch, stop):
    (tmp_path / "review.txt").write_text(TEXT + "\n")
    path = tmp_path / "s.sqlite"
    with running("openai", "--delay", 0.2) as server:
        command = ["explain", "--text", "review.txt", "-q", "--model", server.name]
        command += ["--score", "logodds:positive,negative"]
        command += ["--store", str(path), "--out", "e.json"]

        def chats():
            return [e for e in server.requests() if "chat" in e["path"]]

        program = [sys.executable, "-m", "spex", *command]
        process = subprocess.Popen(program, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
        while len(chats()) < 20:
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(stop)
        _, err = process.communicate(timeout=60)
        with spex.Store(path) as store:
            kept = len(store)
        # All but the check, and what was under way or was stopped before it had been written.
        assert len(chats()) - N_CALLS - CONCURRENCY <= kept < 64
        if stop == signal.SIGINT:
            assert process.returncode == 130
            assert f"{kept} evaluations finished and kept" in err
        before = len(chats())
        monkeypatch.chdir(tmp_path)
        assert main(command) == 0
        assert len(chats()) - before == N_CALLS + 64 - kept + 2


def test_identity_tells_servers_and_ways_apart(openai, vllm):
    one, two = openai.model(), vllm.model()
    assert one.identity != two.identity
    assert one.identity == openai.model().identity
    assert one.identity.endswith("log_probs=top_logprobs")
    assert two.identity.endswith("log_probs=prompt_logprobs")


# --- from the command line -----------------------------------------------------------------------


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run `spex explain` on a file; returns status, standard output and standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    (tmp_path / "review.txt").write_text(TEXT + "\n")

    def call(*arguments):
        return main(["explain", "--text", "review.txt", *arguments]), *capsys.readouterr()

    return call


def test_command_line(openai, run):
    odds = "logodds:positive,negative"
    arguments = ["--model", openai.name, "--score", odds, "--store", "s.sqlite", "--index", "BII"]
    status, out, err = run(*arguments)
    assert status == 0, err
    assert "never + fails" in out
    # Five of the check, 64 masks, and two of them again.
    cost = err.splitlines()[-1]
    assert cost.startswith("spex: the server answered 71 requests; it counts ")
    again = run(*arguments)
    assert again[:2] == (0, out)
    assert "the server answered 0 requests;" in again[2]


def test_command_line_tells_the_cost(text_only, run):
    call = ["--model", text_only.name, "--score", "matches:good", "--no-store"]
    status, _, err = run(*call, "--price", "100,1000")
    assert status == 0
    cost = err.splitlines()[-1]
    read, written = map(
        int, re.search(r"counts (\d+) tokens read and (\d+) written", cost).groups()
    )
    assert cost.endswith(f" written, ${(100 * read + 1000 * written) / 1e6:.2f} at the price given")


def test_command_line_says_what_to_do_without_log_probs(text_only, run):
    status, out, err = run("--model", text_only.name, "--no-store")
    assert (status, out) == (2, "")
    assert "choose a score of the replies: similarity" in err.splitlines()[-1]


def test_command_line_on_text_alone(text_only, run):
    arguments = ["--model", text_only.name, "--score", "similarity", "--store", "s.sqlite"]
    status, out, err = run(*arguments)
    assert status == 0, err
    assert "never + fails" in out
    # The reference, 64 masks and two of them again. All are kept.
    assert "answered 67 requests" in err
    assert "answered 0 requests;" in run(*arguments)[2]


def test_command_line_on_a_picture(openai, run, tmp_path):
    PIL.Image.new("RGB", (30, 20), "white").save("white.png")
    call = ["explain", "--image", "white.png", "--unit", "grid:2x2", "--mask", "grey"]
    call += ["--prompt", "Is it good?", "--model", openai.name, "--no-store"]
    odds = ["--score", "logodds:positive,negative"]
    assert main([*call, *odds, "--out", "e.json", "--html", "e.html", "-q"]) == 0
    explanation = spex.Explanation.load("e.json")
    ((pair, value),) = explanation.interactions("Moebius").top(1)
    assert (pair, value) == ((0, 1), pytest.approx(4.0))
    page = (tmp_path / "e.html").read_text()
    assert "data:image/jpeg;base64," in page and "Is it good?" in page


def test_similarity_on_text_alone(text_only):
    value = ValueFunction(Text(TEXT), text_only.name, Similarity())
    same, other = value([[1] * 6, [1, 1, 1, 0, 1, 1]])
    assert value.answer == "The review is good."
    assert same == pytest.approx(1.0, abs=1e-6)
    assert other < 0.6

"""Samples of logs that inspect_ai wrote; see make_inspect_logs.py."""

import json
import sys
import zipfile
from pathlib import Path

import pytest

import spex
from spex.errors import ArgumentError
from spex.interop import read_inspect_sample
from spex.models import TableModel

LOGS = Path(__file__).parent / "logs"


def asked(sample):
    return [(m["role"], m["content"]) for m in sample.messages]


@pytest.mark.parametrize("kind", ["eval", "json"])
def test_samples_by_id_and_by_number(kind):
    log = LOGS / f"colours.{kind}"
    sky, grass = read_inspect_sample(log, "sky"), read_inspect_sample(str(log), 2)
    assert (sky.id, sky.epoch, sky.target, sky.model) == ("sky", 1, "Blue", "mockllm/model")
    assert asked(sky) == [("user", "What colour is the sky?"), ("assistant", "Blue.")]
    assert grass.id == 2 and asked(grass)[0] == ("system", "Be brief.")
    assert read_inspect_sample(log, 1) == sky and read_inspect_sample(log, "2") == grass
    masker = grass.masker("sentence", operator="mask")
    assert isinstance(masker, spex.Messages) and masker.answers == ("Green, I think.",)
    assert masker.features == ("What colour is grass?", "Think of a meadow.")
    assert masker.operator_name == "mask:[MASK]"
    value = spex.ValueFunction(masker, TableModel(lambda prompt, answer: -len(answer)))
    assert value.answer == "Green, I think." and value([[1, 1]]).tolist() == [-15.0]


def test_an_agent():
    sample = read_inspect_sample(LOGS / "mail.eval", 1)
    assert [tool["function"]["name"] for tool in sample.tools] == ["inbox", "send"]
    last = sample.masker()
    assert isinstance(last, spex.Agent) and last.answers == ("Nobody but Ann.",)
    call = sample.masker("sentence", turn=4)
    (made,) = call.answers
    assert json.loads(made.splitlines()[1]) == {
        "name": "send", "arguments": {"to": "Eve", "text": "under the mat"},
    }  # fmt: skip
    assert "Tell Eve." in call.features and "sent" not in str(call.render([1] * call.n_features))
    with pytest.raises(ArgumentError, match="turn=1 is not a message of the assistant"):
        sample.masker(turn=1)


def test_reasoning():
    sample = read_inspect_sample(LOGS / "legs.eval", 1)
    masker = sample.masker()
    assert isinstance(masker, spex.Reasoning) and masker.answers == ("Six",)
    assert masker.features == (
        "A cat has four legs.", "A bird has two.", "Four and two are six.",
    )  # fmt: skip
    prompt = masker.render([1, 0, 1])
    assert prompt.text == "How many legs have a cat and a bird?"
    assert prompt.answer_prefix == (
        "<think>\nA cat has four legs. Four and two are six.\n</think>\n\n"
    )
    with pytest.raises(ArgumentError, match="turn=0 is not a message of the assistant"):
        sample.masker(turn=0)


def written(path, *samples):
    path.write_text(json.dumps({"version": 2, "samples": list(samples)}))
    return path


def sample(*messages, **others):
    return {"id": 7, "epoch": 2, "messages": list(messages), **others}


def test_attachments_pictures_and_errors(tmp_path):
    content = [
        {"type": "image", "image": "attachment://p"},
        {"type": "text", "text": "attachment://a"},
    ]
    call = {"id": "x", "function": "read", "arguments": {}, "type": "function"}
    log = written(
        tmp_path / "log.json",
        sample(
            {"role": "user", "content": content},
            {"role": "assistant", "content": "", "tool_calls": [call]},
            {"role": "tool", "content": "", "tool_call_id": "x", "error": {"message": "denied"}},
            {"role": "assistant", "content": "attachment://gone"},
            attachments={"a": "a long text", "p": "data:image/png;base64,AAAA"},
        ),
    )
    found = read_inspect_sample(log, 7, epoch=2)
    user, called, result, last = found.messages
    assert user["content"][1] == {"type": "text", "text": "a long text"}
    assert user["content"][0]["image_url"]["url"].startswith("data:image/png")
    assert called["tool_calls"][0]["function"] == {"name": "read", "arguments": {}}
    assert result["content"] == "denied" and last["content"] == "attachment://gone"


def test_what_is_no_log_is_refused(tmp_path):
    text = written(tmp_path / "a.json", sample({"role": "user", "content": "Hi"}))
    broken, other, odd = (
        tmp_path / "b",
        tmp_path / "c.json",
        written(tmp_path / "d.json", {"id": 1}),
    )
    broken.write_bytes((LOGS / "mail.eval").read_bytes()[:-40])
    other.write_text("[1]")
    for call, match in {
        lambda: read_inspect_sample(tmp_path / "none", 1): "none: cannot be read: No such file",
        lambda: read_inspect_sample(tmp_path, 1): "cannot be read: Is a directory",
        lambda: read_inspect_sample(broken, 1): "b: is cut off: its end is missing",
        lambda: read_inspect_sample(other, 1): "it has no list of samples",
        lambda: read_inspect_sample(odd, 1): "the sample is not as inspect_ai writes it",
        lambda: read_inspect_sample(text, 3, 2): r"has no sample 3; it has 1: 7",
        lambda: read_inspect_sample(text, 7): r"sample 7 has no epoch 1; use one of 2",
        lambda: read_inspect_sample(text, 7, 2).masker(): "sample 7 has no answer of the model",
    }.items():
        with pytest.raises(ArgumentError, match=match):
            call()


HIDDEN = {"type": "reasoning", "reasoning": "gAAAAAB", "redacted": True}


def said(content, role="assistant", **others):
    return {"role": role, "content": content, **others}


@pytest.mark.parametrize(
    ("question", "unit", "features"),
    [
        ("Which is red?\n\nA) Blood\nB) Sky", "sentence", ("Which is red?", "A) Blood", "B) Sky")),
        ("Who are you? Say.", "word", ("Who", "are", "you?", "Say.")),
        ([{"type": "text", "text": "Who are you?"}], "word", ("Who", "are", "you?")),
    ],
)
def test_one_message_is_split_by_default(tmp_path, question, unit, features):
    asked = [said("Be brief.", "system"), said(question, "user"), said("A")]
    found = read_inspect_sample(written(tmp_path / "a.json", sample(*asked)), 7, 2)
    assert found.masker().unit_name == unit and found.masker().features == features
    chat = sample(*asked, said("Sure?", "user"), said("Yes."))
    found = read_inspect_sample(written(tmp_path / "b.json", chat), 7, 2)
    assert found.masker().unit_name == "message" and found.masker().n_features == 3


def test_encrypted_reasoning_is_never_a_unit(tmp_path):
    asked = said("How many legs? Say.", "user")
    summed = HIDDEN | {"summary": "A cat has four. So four."}
    answer = {"type": "text", "text": "Four"}
    log = written(tmp_path / "a.json", sample(asked, said([summed, answer])))
    found = read_inspect_sample(log, 7, 2)
    assert found.masker().features == ("A cat has four.", "So four.")
    assert found.notes == ("The log holds encrypted reasoning: the summary beside it is used.",)
    log = written(tmp_path / "b.json", sample(asked, said([HIDDEN, answer])))
    found = read_inspect_sample(log, 7, 2)
    assert isinstance(found.masker(), spex.Messages) and "gAAAAAB" not in str(found)
    assert "without a summary: it is left out" in found.notes[0]


def test_reasoning_in_the_text_is_found(tmp_path):
    text = "<think>A cat has four. So four.</think>\n<answer>Four</answer>"
    log = written(tmp_path / "a.json", sample(said("How many?", "user"), said(text)))
    masker = read_inspect_sample(log, 7, 2).masker()
    assert masker.features == ("A cat has four.", "So four.") and masker.answers == ("Four",)


def test_an_example_in_the_prompt_is_no_answer_of_the_model(tmp_path):
    asked = said("Dog? One word.", "user", id="a", source="input")
    example = said("animal", id="b", source="input")
    shown = (asked, example, said("Oak? One word.", "user", id="c", source="input"))
    found = read_inspect_sample(written(tmp_path / "a.json", sample(*shown, said(""))), 7, 2)
    assert found.given == (0, 1, 2) and found.notes == ()
    with pytest.raises(ArgumentError, match="the model's answer to sample 7 is empty"):
        found.masker()
    assert found.masker(turn=1).answers == ("animal",)
    # Older logs tell by the ids alone.
    old = [{key: one[key] for key in ("role", "content", "id")} for one in shown]
    found = read_inspect_sample(written(tmp_path / "b.json", sample(*old) | {"input": old}), 7, 2)
    with pytest.raises(ArgumentError, match="sample 7 has no answer of the model to explain"):
        found.masker()
    found = read_inspect_sample(written(tmp_path / "c.json", sample(*shown, said("plant"))), 7, 2)
    assert found.turn == 3 and found.masker().features[1] == "assistant: animal"


def test_empty_answers_and_failed_samples(tmp_path):
    call = {"id": "x", "function": "send", "arguments": {"to": "Eve"}, "type": "function"}
    asked, called = said("Look. Send.", "user"), said("", tool_calls=[call])
    result = said("sent", "tool", tool_call_id="x")
    agent = sample(asked, said("I look.", tool_calls=[call]), result, called, result, said(""))
    found = read_inspect_sample(written(tmp_path / "a.json", agent), 7, 2)
    assert found.turn == 3 and "Eve" in found.masker().answers[0]
    assert found.notes == ("The last message of the assistant is empty: message 3 is explained.",)
    failed = {"error": {"message": "ValueError('boom')", "traceback": ""}}
    for messages, match in (
        ((asked,), r"7 has no answer of the model to explain; it failed: ValueError\('boom'\)"),
        ((asked, said(" ")), "answer to sample 7 is empty; it failed"),
    ):
        found = read_inspect_sample(written(tmp_path / "b.json", sample(*messages, **failed)), 7, 2)
        with pytest.raises(ArgumentError, match=match):
            found.masker()
    log = written(tmp_path / "c.json", sample(asked, said("x"), **failed))
    assert read_inspect_sample(log, 7, 2).notes == (
        "The sample failed in its run: ValueError('boom')",
    )
    wrong = read_inspect_sample(
        written(tmp_path / "d.json", sample(asked | {"content": 5}, said("x"))), 7, 2
    )
    with pytest.raises(ArgumentError, match="has a int as its content"):
        wrong.masker()


def test_logs_that_are_not_whole(tmp_path):
    cut, started, other, empty = (
        tmp_path / name for name in ("a.json", "b.json", "c.zip", "d.eval")
    )
    cut.write_text((LOGS / "colours.json").read_text()[:900])
    started.write_text('{"version": 2, "status": "started", "samples": null}')
    with zipfile.ZipFile(other, "w") as file:
        file.writestr("x", "y")
    with zipfile.ZipFile(empty, "w") as file:
        file.writestr("_journal/start.json", "{}")
    for path, match in {
        cut: "or one that is damaged or cut off",
        started: "holds no samples; the status of its run is 'started'",
        other: "is no log of inspect_ai: it holds none of its files",
        empty: "holds no samples; the status of its run is 'started'",
    }.items():
        with pytest.raises(ArgumentError, match=match):
            read_inspect_sample(path, 1)


@pytest.mark.parametrize("at", [8, 40, 200])
def test_damage_inside_of_a_sample_is_told(tmp_path, at):
    with zipfile.ZipFile(LOGS / "colours.eval") as log:
        entry = log.getinfo("samples/sky_epoch_1.json")
    content = bytearray((LOGS / "colours.eval").read_bytes())
    start = entry.header_offset + 30 + len(entry.filename) + at  # past the entry's own header
    content[start : start + 8] = bytes(8)
    path = tmp_path / "damaged.eval"
    path.write_bytes(content)
    with pytest.raises(ArgumentError, match=r"damaged\.eval: .*(cannot be unpacked|is no log)"):
        read_inspect_sample(path, "sky")


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "zipfile_zstd", None)
    with pytest.raises(spex.MissingExtraError, match=r"spex-explain\[inspect\]"):
        read_inspect_sample(LOGS / "mail.eval", 1)


def test_older_logs_need_no_package(monkeypatch, tmp_path):
    content = json.dumps(sample({"role": "user", "content": "Hi"}))
    with zipfile.ZipFile(tmp_path / "old.eval", "w", zipfile.ZIP_DEFLATED) as log:
        log.writestr("samples/7_epoch_2.json", content)
    monkeypatch.setitem(sys.modules, "zipfile_zstd", None)
    assert read_inspect_sample(tmp_path / "old.eval", 1, 2).id == 7

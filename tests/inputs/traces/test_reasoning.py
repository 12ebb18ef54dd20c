"""Reasoning: steps of a trace as features, before the final answer."""

import math
import re

import pytest

import spex
from spex import LogProb, Reasoning, Text, ValueFunction
from spex.errors import ArgumentError
from spex.models import Reply, TableModel

TRACE = "A cat has four legs. A bird has two.\n\nSo there are six."
FINAL = "<|start|>assistant<|channel|>final<|message|>"
MARKED = "We count.\nStep 1: a cat.\n  It has 4.\n2. a bird\n- all of them"


def begun(masker, *present):
    return masker.render([i in present for i in range(masker.n_features)]).answer_prefix


def test_steps_stand_before_the_answer():
    masker = Reasoning("How many?", TRACE, system="Be brief.")
    assert masker.features == ("A cat has four legs.", "A bird has two.", "So there are six.")
    whole = masker.render([1, 1, 1])
    assert [m.content for m in whole.messages] == ["Be brief.", "How many?"]
    assert whole.answer_prefix == TRACE + "\n\nFinal answer:\n"
    assert begun(masker, 0, 2) == "A cat has four legs.\n\nSo there are six.\n\nFinal answer:\n"
    assert begun(masker) == "Final answer:\n"
    assert masker.system == "Be brief."
    system, question, trace = masker.parts
    assert system.heading == "system"
    assert (question.heading, question.shown) == ("user", set())
    assert (trace.heading, trace.shown) == ("reasoning", {0, 1, 2})
    assert begun(Reasoning("Q", TRACE, answer_cue=" So:"), 1) == "A bird has two. So:"
    assert "[MASK]" in begun(Reasoning("Q", TRACE, operator="mask"), 1)


@pytest.mark.parametrize("tag", ["think", "reasoning"])
def test_tags_always_stay(tag):
    masker = Reasoning("Q", f"<{tag}>\n{TRACE}\n</{tag}>")
    assert masker.n_features == 3
    assert begun(masker, 0, 1, 2) == f"<{tag}>\n{TRACE}\n</{tag}>\n\n"
    assert begun(masker, 1) == f"<{tag}>\nA bird has two.\n\n</{tag}>\n\n"
    assert re.sub(r"\s", "", begun(masker)) == f"<{tag}></{tag}>"
    # What a template has opened is only closed.
    assert begun(Reasoning("Q", f"{TRACE}</{tag}>"), 0).endswith(f"legs.\n\n</{tag}>\n\n")
    after = Reasoning("Q", f"<{tag}>{TRACE}</{tag}> Let me tell.")
    assert after.features[-1] == "Let me tell."
    assert begun(after, 3) == f"<{tag}>\n\n</{tag}> Let me tell.\n\nFinal answer:\n"


def test_a_line_break_before_the_first_tag_stays():
    assert begun(Reasoning("Q", "\n<think>One. Two.</think>\n"), 0, 1).startswith("\n<think>One.")
    assert begun(Reasoning("Q", "\nOne. Two.</think>\n"), 0, 1).startswith("One.")


@pytest.mark.parametrize(
    ("before", "after", "cue"),
    [
        ("<Think>", "</Think>", "\n\n"),
        ("<seed:think>", "</seed:think>", ""),
        ("<|begin_of_thought|>", "<|end_of_thought|>", "\n\n<|begin_of_solution|>\n\n"),
        ("<|channel|>analysis<|message|>", "<|end|>", f"{FINAL}"),
        ("<|channel|>analysis<|message|>", f"<|end|>{FINAL}", ""),
        ("[THINK]", "[/THINK]", ""),
        ("◁think▷", "◁/think▷", ""),
        ("<think>", "", "\n</think>\n\n"),
    ],
)
def test_tags_of_other_models(before, after, cue):
    masker = Reasoning("Q", f"{before}One. Two.{after}")
    assert masker.features == ("One.", "Two.")
    assert begun(masker, 0, 1) == f"{before}One. Two.{after}{cue}"
    # The space between the two units stays.
    assert (
        begun(masker, 1).replace("> Two", ">Two").replace("] Two", "]Two").replace("▷ Two", "▷Two")
        == f"{before}Two.{after}{cue}"
    )
    assert "".join(begun(masker).split()) == "".join(f"{before}{after}{cue}".split())


STEPS = [
    ("Step 1: a", "Step 2: b"), ("Step one: a", "Step eleven: b"), ("step I. a", "step II. b"),
    ("**1. Add**\nfoo", "**2. Sub**\nbar"), ("**Step 1:** a", "**Step 2:** b"),
    ("## Add\na", "### Sub\nb"), ("**Add**\na", "**Sub:**\nb"),
    ("Schritt 1: a", "Schritt zwei: b"), ("Étape 1 : a", "Étape 2 : b"), ("Paso 1. a", "Paso 2. b"),
    ("第一步：a", "第二步：b"), ("步骤1：a", "步骤2：b"), ("1단계: a", "2단계: b"),
    ("一、a", "二、b"),
    ("ステップ1：a", "ステップ2：b"), ("Шаг 1. a", "Шаг 2. b"),
    ("1) a", "2) b"), ("(1) a", "(2) b"), ("a) a", "b) b"), ("1.1. a", "1.2. b"), ("① a", "② b"),
    ("First, a", "Finally, b"), ("首先，a", "最后，b"), ("- a", "* b"), ("  • a", "  • b"),
    ("1. a\n```\n2. b\n- c\n# d\n```", "2. e"), ("1. a\n\\[\n- b\n\\]", "2. c"),
]  # fmt: skip


@pytest.mark.parametrize("steps", STEPS, ids=lambda steps: steps[0])
@pytest.mark.parametrize("line_break", ["\n", "\r\n"])
def test_marks_of_steps(steps, line_break):
    trace = line_break.join(["So it is.", *steps]).replace("\n", line_break.strip("\r"))
    found = Reasoning("Q", trace, "step").features
    assert [step.strip() for step in found] == ["So it is.", *(step.strip() for step in steps)]


@pytest.mark.parametrize(
    "line",
    [
        "2 steps are left",
        "Step back a bit",
        "Step a bit back",
        "Steps are many",
        "First of all we add",
        "1.5 is more",
        "-3 is less",
        "2024 was a year",
    ],
)
def test_lines_that_begin_no_step(line):
    assert Reasoning("Q", f"1. a\n{line}\n2. b", "step").n_features == 2


def test_units():
    assert Reasoning("Q", MARKED, "step").features == (
        "We count.", "Step 1: a cat.\n  It has 4.", "2. a bird", "- all of them",
    )  # fmt: skip
    assert Reasoning("Q", MARKED, "line").n_features == 5
    assert Reasoning("Q", MARKED, re.compile("cat|bird")).features == ("cat", "bird")
    assert Reasoning("Q", MARKED, "step").unit_name == "step"
    with pytest.raises(ArgumentError, match=r"no line of the trace begins with a mark"):
        Reasoning("Q", TRACE, "step")


def test_question_and_trace_together():
    question = Text("Two cats. Or birds?", "sentence", prompt="Riddle: {input}", system="S")
    masker = Reasoning(question, TRACE)
    assert masker.features[:2] == ("Two cats.", "Or birds?") and masker.n_features == 5
    prompt = masker.render([0, 1, 1, 0, 0])
    assert prompt.text == "Riddle: Or birds?" and prompt.messages[0].content == "S"
    assert prompt.answer_prefix == "A cat has four legs.\n\nFinal answer:\n"
    assert [part.shown for part in masker.parts] == [{0, 1}, {2, 3, 4}]
    chat = spex.Messages([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "?"},
                          {"role": "user", "content": "Six?"}])  # fmt: skip
    assert len(Reasoning(chat, TRACE).render([1] * 6).messages) == 3
    described = [Reasoning(q, TRACE).describe() for q in (question, chat, "Six?")]
    assert len({str(one) for one in described}) == 3
    # A chat that is no masker is never left out.
    fixed = Reasoning(
        [{"role": "system", "content": "S"}, {"role": "user", "content": "Six?"}], TRACE
    )
    assert fixed.n_features == 3
    assert (
        fixed.render([0, 0, 0]).messages
        == Reasoning("Six?", TRACE, system="S").render([0] * 3).messages
    )
    assert Reasoning("Q", TRACE, answer="six").answers == ("six",)


def test_the_model_writes_the_trace():
    replies = {
        "block": "<think>\nOne. Two.\n</think>\n\nIt is 6.",
        "opened by the template": "One. Two.\n</think>\n\nIt is 6.",
        "plain": "One. Two.\n\n**Final answer:** 6",
        "no cue": "One. Two.",
        "in tags": "One. Two.\n<answer>It is 6.</answer>",
        "gpt-oss": f"<|channel|>analysis<|message|>One. Two.<|end|>{FINAL}It is 6.<|return|>",
        "solution": "<|begin_of_thought|>One. Two.<|end_of_thought|><|begin_of_solution|>It is 6.",
    }
    for name, reply in replies.items():
        model = TableModel(
            lambda prompt, answer: -1.0 - ("One." not in prompt),
            answer=lambda prompt, reply=reply: reply if prompt == "Q" else "6",
        )
        value = ValueFunction(Reasoning("Q"), model)
        assert value.features == ("One.", "Two."), name
        assert value.masker.trace == reply[: len(value.masker.trace)]
        assert value.answer == "6" and "It is" not in value.masker.trace
        assert value([[1, 1], [0, 1]]).tolist() == [-1, -2]


def test_the_trace_is_kept_in_the_store(tmp_path):
    asked = []

    def answer(prompt):
        asked.append(prompt)
        return f"One. Two. {len(asked)}." if prompt == "Q" else "6"

    model = TableModel(lambda prompt, answer: -1.0, answer=answer)
    values = [ValueFunction(Reasoning("Q"), model, store=tmp_path / "s") for _ in range(2)]
    assert values[0].identities == values[1].identities and len(asked) == 2


def test_interactions_of_steps_are_found(tmp_path):
    def log_prob(prompt, answer):
        return -3.0 + 2.0 * ("cat has four" in prompt and "bird has two" in prompt)

    value = ValueFunction(Reasoning("How many?", TRACE), TableModel(log_prob), LogProb("6"))
    explanation = spex.explain(value, budget=8)
    ((pair, size),) = explanation.interactions("Moebius", order=2).top(1)
    assert pair == (0, 1) and math.isclose(size, 2.0)
    explanation.to_html(tmp_path / "page.html")
    assert "reasoning" in (tmp_path / "page.html").read_text()


def test_functions_get_the_start_as_a_message_of_the_assistant():
    seen = []

    def reply(messages):
        seen.append(messages)
        return "six" if "bird" in messages[-1]["content"] else "four"

    value = ValueFunction(Reasoning("How many?", TRACE), reply, spex.Matches("six"))
    assert value([[1, 1, 1], [1, 0, 1]]).tolist() == [1, 0]
    assert [message["role"] for message in seen[0]] == ["user", "assistant"]
    predicted = spex.PredictFunction(Reasoning("Q", TRACE), lambda chats: list(map(len, chats)))
    assert predicted([[1, 1, 1]]).tolist() == [2]


def test_tokens_of_the_model_may_be_units():
    value = ValueFunction(Reasoning("Q", "One. Two.", "token"), TableModel(lambda p, a: -1.0, "6"))
    assert value.features == ("One.", "Two.")


def test_bad_input():
    for call, match in {
        lambda: Reasoning(""): "question is empty",
        lambda: Reasoning("Q", " "): "trace is empty",
        lambda: Reasoning("Q", 3): "trace must be a str",
        lambda: Reasoning(3): "question is a int; give a text, a list of messages",
        lambda: Reasoning("Q", "One."): "the trace has one unit of kind 'sentence'",
        lambda: Reasoning("Q", unit="sentenc"): "did you mean 'sentence'",
        lambda: Reasoning("Q", TRACE, operator="no"): "operator='no' is unknown",
        lambda: Reasoning("Q", TRACE, answer_cue=1): "answer_cue must be a str or None",
        lambda: Reasoning("Q", max_new_tokens=0): "max_new_tokens=0",
        lambda: Reasoning(
            Text("a b"), TRACE, system="S"
        ): "put the system message into the question",
        lambda: Reasoning("Q").features: "the trace is not known before the model has written it",
        lambda: Reasoning("Q").render([1]): "the trace is not known",
        lambda: spex.Composite(Text("a b"), Reasoning("Q", TRACE)).render([1] * 5): "cannot be one",
        lambda: Reasoning("Q", TRACE).render([1]): "mask",
    }.items():
        with pytest.raises(ArgumentError, match=match):
            call()


def test_a_trace_without_an_end_is_refused():
    class Cut(TableModel):
        def generate(self, prompts, max_new_tokens=64):
            return [Reply("<think> One. Two.", cut_off=True) for _ in prompts]

    with pytest.raises(ArgumentError, match="does not end within max_new_tokens=9; raise it"):
        ValueFunction(Reasoning("Q", max_new_tokens=9), Cut(lambda p, a: -1.0))
    empty = TableModel(lambda p, a: -1.0, answer="<think>\n\n</think>\n\n6")
    with pytest.raises(ArgumentError, match="writes no reasoning before its answer"):
        ValueFunction(Reasoning("Q"), empty)


def test_a_page_shows_traces_as_chats(tmp_path):
    question = Text("Two cats. Or birds?", "sentence")
    for masker in (Reasoning("Q?", TRACE), Reasoning(question, TRACE)):
        value = ValueFunction(
            masker, TableModel(lambda p, a: -1.0 * ("cat has" in p)), LogProb("6")
        )
        spex.explain(value, budget=32).to_html(tmp_path / "page.html")
        assert 'class="text chat"' in (tmp_path / "page.html").read_text()

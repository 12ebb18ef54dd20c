"""Tags of reasoning: which there are, and how a model goes on after them."""

import pytest

from spex.models.chat import notes_on
from spex.models.reasoning_tags import cue_after, is_closed, open_block, split_reply, without_tags

HARMONY = "<|start|>assistant<|channel|>final<|message|>"
SOLUTION = "\n\n<|begin_of_solution|>\n\n"
# What opens a block, what closes it, and what stands before the answer.
FORMATS = [
    ("<think>", "</think>", "\n\n"),
    ("<thinking>", "</thinking>", "\n\n"),
    ("<reasoning>", "</reasoning>", "\n\n"),
    ("<Think>", "</Think>", "\n\n"),
    ('<think time="3 s">', "</think>", "\n\n"),
    ("<longcat_think>", "</longcat_think>", "\n\n"),
    ("<antThinking>", "</antThinking>", "\n\n"),
    ("<seed:think>", "</seed:think>", ""),
    ("<mm:think>", "</mm:think>", ""),
    ("[THINK]", "[/THINK]", ""),
    ("◁think▷", "◁/think▷", ""),
    ("<|open|>think<|sep|>", "<|close|>think<|sep|>", "<|open|>response<|sep|>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>", SOLUTION),
    ("<|START_THINKING|>", "<|END_THINKING|>", "<|START_RESPONSE|>"),
    ("<|think:start|>", "<|think:end|>", ""),
    ("<|inner_prefix|>", "<|inner_suffix|>", ""),
    ("<|channel>thought\n", "<channel|>", ""),
    ("<unused94>thought\n", "<unused95>", ""),
    ("[unused16]", "[unused17]", ""),
    ("<|channel|>analysis<|message|>", "<|end|>", HARMONY),
    ("<|start|>assistant<|channel|>analysis<|message|>", "<|end|>", HARMONY),
]


@pytest.mark.parametrize(("opening", "closing", "cue"), FORMATS, ids=lambda tag: repr(tag))
def test_formats(opening, closing, cue):
    trace = f"{opening}One. Two.{closing}"
    assert without_tags(trace).strip() == "One. Two."
    assert cue_after(trace) == cue and is_closed(trace) and open_block(trace) is None
    assert split_reply(f"{trace}{cue}6") == (
        trace + cue.rstrip("\n"),
        cue[len(cue.rstrip("\n")) :] + "6",
    )
    # A block that is open is closed first.
    begun = f"{opening}One. Two."
    assert open_block(begun).closing == closing and not is_closed(begun)
    assert cue_after(begun).strip("\n") == (closing + cue).strip("\n")
    assert split_reply(begun) is None
    (note,) = notes_on("T", f"[user]a b{opening}")
    assert closing in note and opening.strip() in note
    assert notes_on("T", f"[user]a b{trace}") == ()


def test_what_opens_the_answer():
    assert cue_after("One.<answer>") == "\n" and cue_after(f"One.<|end|>{HARMONY}") == ""
    assert cue_after("One.<|end|><|start|>assistant") == "<|channel|>final<|message|>"
    assert cue_after("One. Two.") is None and cue_after("<think>One.</think> Two.") is None
    assert split_reply("<think>a</think>\n<answer>6</answer>") == (
        "<think>a</think>\n<answer>", "6</answer>",
    )  # fmt: skip
    ended = f"<|channel|>analysis<|message|>a<|end|>{HARMONY}"
    assert split_reply(ended + "6<|return|>") == (ended, "6<|return|>")
    assert split_reply(ended + "6<|end|>") == (ended, "6<|end|>")
    assert split_reply("One. Two.") is None


def test_other_messages_of_a_prompt_open_no_block():
    prompt = "<|start|>system<|message|>S<|end|><|start|>user<|message|>U<|end|><|start|>assistant"
    assert notes_on("T", prompt) == ()

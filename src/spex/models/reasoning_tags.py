"""The tags around what models reason before they answer, and how each model goes on after them."""

import re
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

BLANK_LINE = "\n\n"
_HARMONY_ANSWER = "<|channel|>final<|message|>"

OPENS, CLOSES, ANSWERS, OTHER = "opens", "closes", "answers", "other"


class Tag(NamedTuple):
    """A tag in a text.

    Attributes:
        start: where it begins, in characters.
        stop: where it ends.
        kind: "opens" or "closes" a block of reasoning, "answers" for what opens the final answer,
            "other" for what only belongs to the format.
        cue: what the model writes between this tag and its final answer; None for any other tag.
        closing: what closes the block that this tag opens; empty for any other tag.
    """

    start: int
    stop: int
    kind: str
    cue: str | None = None
    closing: str = ""


_Row: TypeAlias = tuple[str, str, str | None, str | Callable[[str], str]]

# Such as <think>, </Thinking>, <seed:think> or <longcat_think>, with attributes or without.
_NAME = r"(?:[A-Za-z]+[:_]|ant)?(?:think(?:ing)?|thought|reason(?:ing)?|reflection|scratchpad)"


def _xml_closing(tag: str) -> str:
    return f"</{tag[1:-1].split()[0]}>"


# Pattern, kind, cue, and what closes it. The first pattern that matches counts.
_ROWS: list[_Row] = [
    (rf"(?i:<{_NAME}(?:\s[^<>]*)?>)", OPENS, None, _xml_closing),
    (rf"(?i:</[a-z]+:{_NAME}\s*>)", CLOSES, "", ""),  # Seed-OSS, MiniMax
    (rf"(?i:</{_NAME}\s*>)", CLOSES, BLANK_LINE, ""),
    (r"(?i:<(?:answer|response)>)", ANSWERS, "\n", ""),  # R1-Zero, Hunyuan, Granite
    (r"(?i:</(?:answer|response)>)", OTHER, None, ""),
    (r"\[THINK\]", OPENS, None, "[/THINK]"),  # Magistral
    (r"\[/THINK\]", CLOSES, "", ""),
    (r"◁think▷", OPENS, None, "◁/think▷"),  # Kimi
    (r"◁/think▷", CLOSES, "", ""),
    (r"<\|open\|>think<\|sep\|>", OPENS, None, "<|close|>think<|sep|>"),
    (r"<\|close\|>think<\|sep\|>", CLOSES, "<|open|>response<|sep|>", ""),
    (r"<\|open\|>response<\|sep\|>", ANSWERS, "", ""),
    # OpenThinker, Sky-T1
    (r"<\|begin_of_thought\|>", OPENS, None, "<|end_of_thought|>"),
    (r"<\|end_of_thought\|>", CLOSES, f"{BLANK_LINE}<|begin_of_solution|>{BLANK_LINE}", ""),
    (r"<\|begin_of_solution\|>", ANSWERS, BLANK_LINE, ""),
    (r"<\|end_of_solution\|>", OTHER, None, ""),
    (r"<\|START_THINKING\|>", OPENS, None, "<|END_THINKING|>"),  # Command
    (r"<\|END_THINKING\|>", CLOSES, "<|START_RESPONSE|>", ""),
    (r"<\|START_RESPONSE\|>", ANSWERS, "", ""),
    (r"<\|END_RESPONSE\|>", OTHER, None, ""),
    (r"<\|think:start\|>", OPENS, None, "<|think:end|>"),  # Solar
    (r"<\|think:end\|>", CLOSES, "", ""),
    (r"<\|inner_prefix\|>", OPENS, None, "<|inner_suffix|>"),  # Apertus
    (r"<\|inner_suffix\|>", CLOSES, "", ""),
    (r"<\|channel>(?:thought\b)?", OPENS, None, "<channel|>"),  # Gemma
    (r"<channel\|>", CLOSES, "", ""),
    (r"<unused94>(?:thought\b)?", OPENS, None, "<unused95>"),  # MedGemma
    (r"<unused95>", CLOSES, "", ""),
    (r"\[unused16\]", OPENS, None, "[unused17]"),  # Pangu
    (r"\[unused17\]", CLOSES, "", ""),
    # gpt-oss
    (r"(?:<\|start\|>assistant)?<\|channel\|>\s*final\b[^<]*<\|message\|>", ANSWERS, "", ""),
    (
        r"(?:<\|start\|>assistant[^<]*)?<\|channel\|>[^<]*(?:<\|constrain\|>[^<]*)?<\|message\|>",
        OPENS,
        None,
        "<|end|>",
    ),
    (r"<\|start\|>assistant(?!\s*<\|message)", CLOSES, _HARMONY_ANSWER, ""),
    (r"<\|(?:end|call)\|>", CLOSES, f"<|start|>assistant{_HARMONY_ANSWER}", ""),
    (r"<\|start\|>\w*(?:<\|message\|>)?|<\|(?:return|message)\|>", OTHER, None, ""),
]  # fmt: skip
_TAG = re.compile("|".join(f"({pattern})" for pattern, *_ in _ROWS))


def reasoning_tags(text: str) -> list[Tag]:
    """The tags in a text, in order."""
    return [_tag(found) for found in _TAG.finditer(text)]


def _tag(found: re.Match[str]) -> Tag:
    _, kind, cue, closing = _ROWS[(found.lastindex or 1) - 1]
    closed_by = closing if isinstance(closing, str) else closing(found[0])
    return Tag(*found.span(), kind, cue, closed_by)


def open_block(text: str) -> Tag | None:
    """The tag of the last block that a text leaves open; None if it leaves none open."""
    marks = [tag for tag in reasoning_tags(text) if tag.kind != OTHER]
    return marks[-1] if marks and marks[-1].kind == OPENS else None


def is_closed(text: str) -> bool:
    """Whether a text has closed its last block of reasoning."""
    marks = [tag for tag in reasoning_tags(text) if tag.kind != OTHER]
    return bool(marks) and marks[-1].kind != OPENS


def cue_after(trace: str) -> str | None:
    """The text that a model writes between a trace and its final answer.

    A block that the trace leaves open is closed first.

    Args:
        trace: what the model reasoned, without white space at its end.

    Returns:
        None if no tag tells: the trace has none, or its last one is followed by more text.
    """
    tags = reasoning_tags(trace)
    if tags and tags[-1].stop == len(trace) and tags[-1].cue is not None:
        return tags[-1].cue
    left_open = open_block(trace)
    if left_open is None:
        return None
    space = "\n" if left_open.closing.startswith("</") else ""
    return space + left_open.closing + (cue_after(left_open.closing) or "")


def split_reply(reply: str) -> tuple[str, str] | None:
    """The part of a reply up to the end of its reasoning, with its tags, and the rest.

    Returns:
        Two empty parts are possible; None if no tag ends the reasoning.
    """
    tags = reasoning_tags(reply)
    ends = [tag for tag in tags if tag.kind in (CLOSES, ANSWERS)]
    if not ends:
        return None
    # A tag that closes the answer, at the end of the reply, does not end the reasoning.
    before_more = [tag for tag in ends if without_tags(reply[tag.stop :]).strip()]
    stop = (before_more or ends)[-1].stop
    return reply[:stop], reply[stop:]


def without_tags(text: str) -> str:
    """A text without its tags."""
    return _TAG.sub("", text)

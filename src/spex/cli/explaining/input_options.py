"""The options of `spex explain` that say what is explained."""

from dataclasses import dataclass

from spex.cli.command import option


@dataclass(frozen=True, kw_only=True)
class InputOptions:
    """An input of one kind, and its settings."""

    text: str | None = option(
        "FILE", "The text to explain, in UTF-8, without its last line break; - for standard input."
    )
    documents: str | None = option(
        "FILE",
        'Or documents: a JSON list of texts, or of objects with "title", "text" and maybe '
        '"score". Or an object with such a list under "documents" and a "question", which '
        "replaces {question} in the prompt.",
    )
    question: str | None = option("TEXT", "The question about --documents, if their file has none.")
    messages: str | None = option(
        "FILE",
        'Or a chat: a JSON list of objects with "role" and "content". The last role is user or '
        "tool. System messages are never left out.",
    )
    reasoning: str | None = option(
        "FILE",
        "Or the question of a model that reasons: the units are the steps of its reasoning. "
        "Give --unit twice for units of the question, which come first, and of the reasoning.",
    )
    trace: str | None = option(
        "FILE",
        "With --reasoning: what the model wrote before its final answer, with its tags, "
        "such as <think>; default: the model writes it now.",
    )
    answer_cue: str | None = option(
        "TEXT",
        "With --reasoning: the text between the steps and the final answer; default: a blank "
        "line, and a line 'Final answer:' unless the trace ends a reasoning block.",
    )
    agent: str | None = option(
        "FILE",
        "Or the trace of an agent, whose last call is explained: a JSON list of messages with "
        "tool calls and their results, or a saved request with the tools. Formats: OpenAI, "
        'Anthropic, AgentDojo. It may have "memory" and "against" (another call or text).',
    )
    inspect_log: str | None = option(
        "FILE",
        "Or a log of inspect_ai (.eval or .json): explains the assistant's last message in "
        "--sample.",
    )
    sample: str | None = option(
        "N", "With --inspect-log: the id or the number of the sample, from 1."
    )
    epoch: int | None = option("N", "With --inspect-log: the epoch; default: 1.")
    turn: int | None = option(
        "N",
        "With --agent and --inspect-log: the number of the assistant's message to explain, from 0.",
    )
    image: str | None = option(
        "FILE",
        "Or a picture, for a model that takes pictures. With --text, the units are the regions "
        "of the picture and the units of the text.",
    )
    table: str | None = option(
        "FILE.csv",
        "Or a row of a table, for --model predict:...: CSV with a header, the row to explain, "
        "and the background rows, which replace cells that are left out.",
    )
    data: str | None = option(
        "FILE",
        "Or many inputs, one per row: .jsonl, .json or .csv with text, documents, messages or "
        "image, and optional id, question, prompt, unit, score and answer (see docs/many.md). "
        "--out is then a folder.",
    )
    prompt_parts: str | None = option(
        "FILE",
        "With --data: explain the mean score of a prompt over all items. A JSON list of parts, "
        'texts or objects with "text" and maybe "name" and "pinned". {input} in one of them '
        "marks the place of the item. An item has input (or text) and, for the score, answer "
        "(or label); see docs/prompts.md.",
    )
    missing: tuple[str, ...] = option(
        "TEXT",
        "A text in --table that means a missing cell, such as NA; an empty cell is always "
        "missing. May be repeated.",
        (),
    )
    group: tuple[str, ...] = option(
        "NAME=COLUMN,...",
        "Columns of --table that form one unit, such as place=latitude,longitude. May be repeated.",
        (),
    )
    prompt: str | None = option(
        "TEMPLATE",
        "The user's message, with {input} once, which the text or the documents replace. The "
        "rest is never left out. Default: {input} alone. With --image: the question about the "
        "picture.",
    )
    system: str | None = option("MESSAGE", "A system message, never left out.")

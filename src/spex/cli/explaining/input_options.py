"""The options of `spex explain` that say what is explained."""

from dataclasses import dataclass

from spex.cli.command import option


@dataclass(frozen=True, kw_only=True)
class InputOptions:
    """What is explained: an input of one kind, and what goes with it."""

    text: str | None = option(
        "FILE", "The text to explain, UTF-8, less its final line break; - for standard input."
    )
    documents: str | None = option(
        "FILE",
        "Or documents that the model answers from: a JSON list of texts or of objects "
        'with "title", "text" and maybe "score", or an object with such a list under '
        '"documents" and a "question", which goes where the prompt says {question}.',
    )
    question: str | None = option(
        "TEXT", "What is asked about --documents, if their file has no question of its own."
    )
    messages: str | None = option(
        "FILE",
        'Or a chat: a JSON list of objects with "role" and "content", the last of role '
        "user or tool; messages of role system are never left out.",
    )
    reasoning: str | None = option(
        "FILE",
        "Or a question as text, whose answer the model reasons about: the units are the "
        "steps of its reasoning, and with --unit given twice those of the question as well, "
        "which come first.",
    )
    trace: str | None = option(
        "FILE",
        "With --reasoning: what the model wrote before its final answer, with its tags, "
        "such as <think>; default: the model writes it now.",
    )
    answer_cue: str | None = option(
        "TEXT",
        "With --reasoning: what stands between the steps and the final answer; default: a "
        "blank line and, but after a reasoning block, a line 'Final answer:'.",
    )
    agent: str | None = option(
        "FILE",
        "Or the trace of an agent: a JSON list of messages with calls of tools and their "
        "results, or a saved request with these and the tools, as OpenAI's interfaces, "
        'Anthropic\'s and AgentDojo have them, perhaps with "memory" and "against" (another '
        "call or text). Explained is the last call.",
    )
    inspect_log: str | None = option(
        "FILE",
        "Or a log of inspect_ai, .eval or .json: the last message of the assistant in "
        "the sample that --sample names.",
    )
    sample: str | None = option(
        "N", "With --inspect-log: the id of the sample, or its number, from 1 on."
    )
    epoch: int | None = option("N", "With --inspect-log: the repeat, from 1 (default) on.")
    turn: int | None = option(
        "N",
        "With --agent and --inspect-log: the number of the message of the assistant that "
        "is explained, from 0 on.",
    )
    image: str | None = option(
        "FILE",
        "Or a picture, for a model that takes pictures; together with --text, the patches "
        "of the picture and the units of the text side by side.",
    )
    table: str | None = option(
        "FILE.csv",
        "Or a row of a table, for --model predict:...: CSV with a header; the first row "
        "is explained, the rows under it stand in for the cells left out.",
    )
    data: str | None = option(
        "FILE",
        "Or many of these, one a row: .jsonl, .json or .csv with text, documents, "
        "messages or image, and perhaps id, question, prompt, unit, score and answer (see "
        "docs/many.md); --out is then a folder.",
    )
    prompt_parts: str | None = option(
        "FILE",
        "With --data: the parts of one prompt for all items, a JSON list of texts or of "
        'objects with "text" and maybe "name" and "pinned"; {input} in one of them is where '
        "an item goes. Explained is the mean score over the items; each has input (or text) "
        "and, for the score, answer (or label); see docs/prompts.md.",
    )
    missing: tuple[str, ...] = option(
        "TEXT",
        "A text in --table that stands for a missing cell, such as NA, beside the empty "
        "cell; several times for several.",
        (),
    )
    group: tuple[str, ...] = option(
        "NAME=COLUMN,...",
        "Columns of --table that are one unit, such as place=latitude,longitude; several "
        "times for several.",
        (),
    )
    prompt: str | None = option(
        "TEMPLATE",
        "The user's message, with {input} once, where the text or the documents go; what "
        "is around it is never left out; default: {input} alone. With --image: what is "
        "asked about the picture.",
    )
    system: str | None = option("MESSAGE", "A system message, never left out.")

"""The options that all commands of `spex evaluate` share."""

from dataclasses import MISSING, dataclass
from pathlib import Path

from spex.cli.command import Quiet, option, switch


@dataclass(frozen=True, kw_only=True)
class Options:
    """As typed; the help says what they mean. Those of a measure come before `store`."""

    data: str = option(
        "FILE",
        "Items to explain: .jsonl, .json or .csv; or datasets:NAME:SPLIT, a data set of "
        "the Hugging Face hub or a local folder.",
        MISSING,
    )
    format: str | None = option(
        "F",
        "reviews, hotpotqa, drop, puzzles, or jsonl for rows with text, documents, "
        "messages or image (see docs/evidence.md); default: guessed from the first row.",
    )
    model: str = option(
        "M",
        "As for spex explain: smollm2, hf:NAME, gguf:FILE, openai:MODEL@BASE_URL, "
        "sglang:MODEL@URL, reply:MODULE:FUNCTION, predict:MODULE:FUNCTION, a function from a "
        "list of texts or pictures to numbers, or efficientnet-lite0 (pictures).",
        "smollm2",
    )
    price: str | None = option(
        "READ,WRITTEN",
        "Price of a server, in dollars per million tokens read and written, such as 0.15,0.60. "
        "The cost is then shown.",
    )
    device: str | None = option("D", "Device of smollm2 and hf models, such as cpu or cuda:1.")
    dtype: str | None = option("T", "Precision of such a model, such as bfloat16.")
    scoring_check: str | None = option(
        "W", "As for spex explain: stop (default) if a model contradicts itself, or note it."
    )
    methods: str = option("A,B,...", "Methods of spex and of other packages.", "auto")
    budgets: str = option("N,M,...", "The largest number of calls for one explanation.", "1000")
    seeds: str = option("N,M,...", "Random seeds of the methods.", "0")
    items: str | None = option(
        "N",
        "Number of items, evenly spread over their lengths; or the numbers of rows, from 0, "
        'such as 3,5,8 ("3," for one). Default: all.',
    )
    lengths: str | None = option("MIN-MAX", "Only items with MIN to MAX features, such as 8-127.")
    unit: str | None = option(
        "U",
        "Unit of the features, such as word or sentence, or grid:8x8 for a picture; default: "
        "that of the format.",
    )
    mask: str | None = option(
        "OP",
        "What replaces a unit left out: delete, mask or neutral; in a picture mean, grey, blur "
        "or inpaint.",
    )
    prompt: str | None = option(
        "TEMPLATE",
        "The user's message, with {input} once and, for data with questions, {question}. For "
        "a picture: the question. Default: that of the format.",
    )
    score: str | None = option("S", "As for spex explain; default: that of the format.")
    answer: str = option(
        "A",
        "The answer that logprob and probability explain: data (the one in the data) or own "
        "(the model's own). For a predict function: the name or number of its output.",
        "data",
    )
    store: Path | None = option(
        "FILE",
        "The file that keeps evaluations, so that no call is made twice; default: a file in "
        "the user's cache folder.",
    )
    no_store: bool = switch("--no-store", "Keep no evaluations, use none kept.")
    retries: int = option(
        "N",
        "How many times in a row a function (reply:, predict:) is asked again if it raises an "
        "error.",
        2,
    )
    jobs: int = option("N", "Number of processes. Each works on one item and has its own model.", 1)
    out: Path | None = option(
        "FILE",
        "Results, .csv or .parquet, one number per row. Results in the file are not measured "
        "again. NAME.manifest.json is written next to it.",
    )
    plot: Path | None = option("FILE.png", "Draw the result: .png, .svg or .pdf.")
    markdown: Path | None = option("FILE.md", "Write the tables that are printed.")
    quiet: Quiet = False

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
        "messages or image (see docs/evidence.md); default: what the first row looks like.",
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
        "What a server asks for, in dollars per million tokens read and written, such as "
        "0.15,0.60; the cost is then told.",
    )
    device: str | None = option("D", "Of smollm2 and hf models: such as cpu or cuda:1.")
    dtype: str | None = option("T", "Precision of such a model, such as bfloat16.")
    scoring_check: str | None = option(
        "W", "As for spex explain: stop (default) where a model contradicts itself, or note."
    )
    methods: str = option("A,B,...", "Methods; those of spex and of other packages.", "auto")
    budgets: str = option("N,M,...", "The most calls of the model for one explanation.", "1000")
    seeds: str = option("N,M,...", "Random seeds of the methods.", "0")
    items: str | None = option(
        "N",
        "How many items, evenly spread over their lengths; or the numbers of rows, from "
        '0, such as 3,5,8 ("3," for one). Default: all.',
    )
    lengths: str | None = option("MIN-MAX", "Only items of so many features, such as 8-127.")
    unit: str | None = option(
        "U",
        "Unit of the features, such as word, sentence or, of a picture, grid:8x8; "
        "default: the format's.",
    )
    mask: str | None = option(
        "OP",
        "What becomes of a unit left out: delete, mask or neutral; in a picture mean, "
        "grey, blur or inpaint.",
    )
    prompt: str | None = option(
        "TEMPLATE",
        "The user's message, with {input} once and, where there is a question, "
        "{question}; about a picture the question itself. Default: the format's.",
    )
    score: str | None = option("S", "As for spex explain; default: the format's.")
    answer: str = option(
        "A",
        "Whose answer logprob and probability explain: data (that in the data) or own "
        "(what the model itself answers). Of a predict function, the name or number of its "
        "output.",
        "data",
    )
    store: Path | None = option(
        "FILE",
        "Where evaluations are kept, so that no call is made twice; default: a file in "
        "the user's cache folder.",
    )
    no_store: bool = switch("--no-store", "Keep no evaluations, use none kept.")
    retries: int = option(
        "N",
        "Of reply: and predict: models: how many times in a row a function that raises an "
        "error is asked again.",
        2,
    )
    jobs: int = option("N", "Processes, each with its own item and its own model.", 1)
    out: Path | None = option(
        "FILE",
        "Results, .csv or .parquet, one number a row; what it holds is not measured "
        "again. Beside it goes NAME.manifest.json.",
    )
    plot: Path | None = option("FILE.png", "Draw the result: .png, .svg or .pdf.")
    markdown: Path | None = option("FILE.md", "Write the tables that are printed.")
    quiet: Quiet = False

"""The options that all commands of `spex evaluate` share."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

_Text: TypeAlias = str | None
_File: TypeAlias = Path | None


@dataclass(frozen=True, kw_only=True)
class Options:
    """As typed; the help says what they mean. Those of a measure come before `store`."""

    data: Annotated[
        str,
        typer.Option(
            metavar="FILE",
            help="Items to explain: .jsonl, .json or .csv; or datasets:NAME:SPLIT, a data set of "
            "the Hugging Face hub or a local folder.",
        ),
    ]
    format: Annotated[
        _Text,
        typer.Option(
            "--format",
            metavar="F",
            help="reviews, hotpotqa, drop, puzzles, or jsonl for rows with text, documents, "
            "messages or image (see docs/evidence.md); default: what the first row looks like.",
        ),
    ] = None
    model: Annotated[
        str,
        typer.Option(
            metavar="M",
            help="As for spex explain: smollm2, hf:NAME, gguf:FILE, openai:MODEL@BASE_URL, "
            "sglang:MODEL@URL, reply:MODULE:FUNCTION, predict:MODULE:FUNCTION, a function from a "
            "list of texts or pictures to numbers, or efficientnet-lite0 (pictures).",
        ),
    ] = "smollm2"
    price: Annotated[
        _Text,
        typer.Option(
            metavar="READ,WRITTEN",
            help="What a server asks for, in dollars per million tokens read and written, such as "
            "0.15,0.60; the cost is then told.",
        ),
    ] = None
    device: Annotated[
        _Text, typer.Option(metavar="D", help="Of smollm2 and hf models: such as cpu or cuda:1.")
    ] = None
    dtype: Annotated[
        _Text, typer.Option(metavar="T", help="Precision of such a model, such as bfloat16.")
    ] = None
    scoring_check: Annotated[
        _Text,
        typer.Option(
            metavar="W",
            help="As for spex explain: stop (default) where a model contradicts itself, or note.",
        ),
    ] = None
    methods: Annotated[
        str, typer.Option(metavar="A,B,...", help="Methods; those of spex and of other packages.")
    ] = "auto"
    budgets: Annotated[
        str,
        typer.Option(metavar="N,M,...", help="The most calls of the model for one explanation."),
    ] = "1000"
    seeds: Annotated[str, typer.Option(metavar="N,M,...", help="Random seeds of the methods.")] = (
        "0"
    )
    items: Annotated[
        _Text,
        typer.Option(
            metavar="N",
            help="How many items, evenly spread over their lengths; or the numbers of rows, from "
            '0, such as 3,5,8 ("3," for one). Default: all.',
        ),
    ] = None
    lengths: Annotated[
        _Text,
        typer.Option(metavar="MIN-MAX", help="Only items of so many features, such as 8-127."),
    ] = None
    unit: Annotated[
        _Text,
        typer.Option(
            metavar="U",
            help="Unit of the features, such as word, sentence or, of a picture, grid:8x8; "
            "default: the format's.",
        ),
    ] = None
    mask: Annotated[
        _Text,
        typer.Option(
            metavar="OP",
            help="What becomes of a unit left out: delete, mask or neutral; in a picture mean, "
            "grey, blur or inpaint.",
        ),
    ] = None
    prompt: Annotated[
        _Text,
        typer.Option(
            metavar="TEMPLATE",
            help="The user's message, with {input} once and, where there is a question, "
            "{question}; about a picture the question itself. Default: the format's.",
        ),
    ] = None
    score: Annotated[
        _Text,
        typer.Option(metavar="S", help="As for spex explain; default: the format's."),
    ] = None
    answer: Annotated[
        str,
        typer.Option(
            metavar="A",
            help="Whose answer logprob and probability explain: data (that in the data) or own "
            "(what the model itself answers). Of a predict function, the name or number of its "
            "output.",
        ),
    ] = "data"
    store: Annotated[
        _File,
        typer.Option(
            metavar="FILE",
            help="Where evaluations are kept, so that no call is made twice; default: a file in "
            "the user's cache folder.",
        ),
    ] = None
    no_store: Annotated[
        bool, typer.Option("--no-store", help="Keep no evaluations, use none kept.")
    ] = False
    retries: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Of reply: and predict: models: how many times in a row a function that raises an "
            "error is asked again.",
        ),
    ] = 2
    jobs: Annotated[
        int, typer.Option(metavar="N", help="Processes, each with its own item and its own model.")
    ] = 1
    out: Annotated[
        _File,
        typer.Option(
            metavar="FILE",
            help="Results, .csv or .parquet, one number a row; what it holds is not measured "
            "again. Beside it goes NAME.manifest.json.",
        ),
    ] = None
    plot: Annotated[
        _File, typer.Option(metavar="FILE.png", help="Draw the result: .png, .svg or .pdf.")
    ] = None
    markdown: Annotated[
        _File, typer.Option(metavar="FILE.md", help="Write the tables that are printed.")
    ] = None
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False

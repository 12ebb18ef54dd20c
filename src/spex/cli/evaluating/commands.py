"""The commands of `spex evaluate`, their options and their help."""

from pathlib import Path
from typing import Annotated, Any

import typer

from spex.cli.session import Session

evaluate = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Measure explanations: how far to believe them, on your model and data.

    Every method gets the same number of calls on every item. Results are rows of a table, kept as
    they are finished: the same command goes on where an earlier one stopped.

    \b
    Examples:
      spex evaluate faithfulness --data reviews.jsonl --methods auto,lime --budgets 100,300 \\
        --items 12 --lengths 8-127 --out reviews.csv --plot reviews.png
      spex evaluate recovery --data hotpotqa.jsonl --methods auto,kernelshap --budgets 300
      spex evaluate pairs --data reviews.jsonl --model predict:my_model:score --lengths 8-40
    """,
)

_Data = Annotated[
    str,
    typer.Option(
        metavar="FILE",
        help="Items to explain: .jsonl, .json or .csv; or datasets:NAME:SPLIT, a data set of the "
        "Hugging Face hub or a local folder.",
    ),
]
_Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="F",
        help="reviews, hotpotqa, drop, puzzles, or jsonl for rows with text, documents or messages "
        "(see docs/evidence.md); default: what the first row looks like.",
    ),
]
_Model = Annotated[
    str,
    typer.Option(
        metavar="M",
        help="As for spex explain: smollm2, hf:NAME, gguf:FILE, openai:MODEL@BASE_URL, "
        "reply:MODULE:FUNCTION, or predict:MODULE:FUNCTION, a function from a list of texts to "
        "numbers.",
    ),
]
_Device = Annotated[
    str | None, typer.Option(metavar="D", help="Of smollm2 and hf models: such as cpu or cuda:1.")
]
_Dtype = Annotated[
    str | None, typer.Option(metavar="T", help="Precision of such a model, such as bfloat16.")
]
_Methods = Annotated[
    str, typer.Option(metavar="A,B,...", help="Methods; those of spex and of other packages.")
]
_Budgets = Annotated[
    str,
    typer.Option(metavar="N,M,...", help="The most calls of the model for one explanation."),
]
_Seeds = Annotated[str, typer.Option(metavar="N,M,...", help="Random seeds of the methods.")]
_Items = Annotated[
    str | None,
    typer.Option(
        metavar="N",
        help="How many items, evenly spread over their lengths; or the numbers of rows, from 0, "
        'such as 3,5,8 ("3," for one). Default: all.',
    ),
]
_Lengths = Annotated[
    str | None,
    typer.Option(metavar="MIN-MAX", help="Only items of so many features, such as 8-127."),
]
_Unit = Annotated[
    str | None,
    typer.Option(
        metavar="U", help="Unit of the features, such as word or sentence; default: the format's."
    ),
]
_Mask = Annotated[
    str | None,
    typer.Option(metavar="OP", help="What becomes of a unit left out: delete, mask or neutral."),
]
_Prompt = Annotated[
    str | None,
    typer.Option(
        metavar="TEMPLATE",
        help="The user's message, with {input} once and, where there is a question, {question}; "
        "default: the format's.",
    ),
]
_Score = Annotated[
    str | None,
    typer.Option(metavar="S", help="As for spex explain; default: the format's."),
]
_Answer = Annotated[
    str,
    typer.Option(
        metavar="A",
        help="Whose answer logprob and probability explain: data (that in the data) or own (what "
        "the model itself answers). Of a predict function, the name or number of its output.",
    ),
]
_Store = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Where evaluations are kept, so that no call is made twice; default: a file in the "
        "user's cache folder.",
    ),
]
_NoStore = Annotated[bool, typer.Option("--no-store", help="Keep no evaluations, use none kept.")]
_Jobs = Annotated[
    int, typer.Option(metavar="N", help="Processes, each with its own item and its own model.")
]
_Out = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Results, .csv or .parquet, one number a row; what it holds is not measured again. "
        "Beside it goes NAME.manifest.json.",
    ),
]
_Plot = Annotated[
    Path | None, typer.Option(metavar="FILE.png", help="Draw the result: .png, .svg or .pdf.")
]
_Markdown = Annotated[
    Path | None, typer.Option(metavar="FILE.md", help="Write the tables that are printed.")
]
_Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
_R = Annotated[int, typer.Option("--r", metavar="R", help="Up to which r.")]


def _run(context: typer.Context, measure: str, options: dict[str, Any], **own: Any) -> None:
    from spex.cli.evaluating.running import run

    session: Session = context.obj
    session.quiet = options["quiet"]
    shared = {name: value for name, value in options.items() if name not in (*own, "context")}
    run(session, measure, own, shared)


@evaluate.command()
def faithfulness(
    context: typer.Context,
    data: _Data,
    format: _Format = None,
    model: _Model = "smollm2",
    device: _Device = None,
    dtype: _Dtype = None,
    methods: _Methods = "auto",
    budgets: _Budgets = "1000",
    seeds: _Seeds = "0",
    items: _Items = None,
    lengths: _Lengths = None,
    unit: _Unit = None,
    mask: _Mask = None,
    prompt: _Prompt = None,
    score: _Score = None,
    answer: _Answer = "data",
    test_masks: Annotated[
        int, typer.Option(metavar="N", help="Fresh masks on which R2 and LDS are measured.")
    ] = 1000,
    distribution: Annotated[
        str,
        typer.Option(
            metavar="D",
            help="Of the fresh masks: uniform, size (every size alike) or near-full (few features "
            "left out).",
        ),
    ] = "uniform",
    store: _Store = None,
    no_store: _NoStore = False,
    jobs: _Jobs = 1,
    out: _Out = None,
    plot: _Plot = None,
    markdown: _Markdown = None,
    quiet: _Quiet = False,
) -> None:
    """R2 and LDS on fresh masks: how well does the surrogate predict what it has not seen?"""
    options = dict(locals())
    _run(context, "faithfulness", options, test_masks=test_masks, distribution=distribution)


@evaluate.command()
def removal(
    context: typer.Context,
    data: _Data,
    format: _Format = None,
    model: _Model = "smollm2",
    device: _Device = None,
    dtype: _Dtype = None,
    methods: _Methods = "auto",
    budgets: _Budgets = "1000",
    seeds: _Seeds = "0",
    items: _Items = None,
    lengths: _Lengths = None,
    unit: _Unit = None,
    mask: _Mask = None,
    prompt: _Prompt = None,
    score: _Score = None,
    answer: _Answer = "data",
    r: _R = 10,
    store: _Store = None,
    no_store: _NoStore = False,
    jobs: _Jobs = 1,
    out: _Out = None,
    plot: _Plot = None,
    markdown: _Markdown = None,
    quiet: _Quiet = False,
) -> None:
    """What becomes of the score when the r features that matter most by the surrogate go?"""
    _run(context, "removal", dict(locals()), r=r)


@evaluate.command()
def recovery(
    context: typer.Context,
    data: _Data,
    format: _Format = None,
    model: _Model = "smollm2",
    device: _Device = None,
    dtype: _Dtype = None,
    methods: _Methods = "auto",
    budgets: _Budgets = "1000",
    seeds: _Seeds = "0",
    items: _Items = None,
    lengths: _Lengths = None,
    unit: _Unit = None,
    mask: _Mask = None,
    prompt: _Prompt = None,
    score: _Score = None,
    answer: _Answer = "data",
    r: _R = 10,
    store: _Store = None,
    no_store: _NoStore = False,
    jobs: _Jobs = 1,
    out: _Out = None,
    plot: _Plot = None,
    markdown: _Markdown = None,
    quiet: _Quiet = False,
) -> None:
    """Do the r largest interactions consist of what people have marked?"""
    _run(context, "recovery", dict(locals()), r=r)


@evaluate.command()
def pairs(
    context: typer.Context,
    data: _Data,
    format: _Format = None,
    model: _Model = "smollm2",
    device: _Device = None,
    dtype: _Dtype = None,
    methods: _Methods = "auto",
    budgets: _Budgets = "1000",
    seeds: _Seeds = "0",
    items: _Items = None,
    lengths: _Lengths = None,
    unit: _Unit = None,
    mask: _Mask = None,
    prompt: _Prompt = None,
    score: _Score = None,
    answer: _Answer = "data",
    random_bases: Annotated[
        int,
        typer.Option(
            metavar="N", help="Random inputs that are audited beside the whole one, each as dear."
        ),
    ] = 0,
    store: _Store = None,
    no_store: _NoStore = False,
    jobs: _Jobs = 1,
    out: _Out = None,
    plot: _Plot = None,
    markdown: _Markdown = None,
    quiet: _Quiet = False,
) -> None:
    """Measure every single and pair effect, by 1 + n + n(n-1)/2 calls, against what is said."""
    _run(context, "pairs", dict(locals()), random_bases=random_bases)


@evaluate.command()
def curves(
    context: typer.Context,
    data: _Data,
    format: _Format = None,
    model: _Model = "smollm2",
    device: _Device = None,
    dtype: _Dtype = None,
    methods: _Methods = "auto",
    budgets: _Budgets = "1000",
    seeds: _Seeds = "0",
    items: _Items = None,
    lengths: _Lengths = None,
    unit: _Unit = None,
    mask: _Mask = None,
    prompt: _Prompt = None,
    score: _Score = None,
    answer: _Answer = "data",
    sanity: Annotated[
        bool,
        typer.Option(
            "--sanity",
            help="Also check that noise gets another explanation, an unused feature nothing and "
            "two that are symmetric the same; twice as many calls again.",
        ),
    ] = False,
    store: _Store = None,
    no_store: _NoStore = False,
    jobs: _Jobs = 1,
    out: _Out = None,
    plot: _Plot = None,
    markdown: _Markdown = None,
    quiet: _Quiet = False,
) -> None:
    """Deletion and insertion curves, soft necessity and sufficiency, stability between seeds."""
    _run(context, "curves", dict(locals()), sanity=sanity)

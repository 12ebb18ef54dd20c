"""The commands of `spex`, their options and their help. What they do is in the other modules."""

from pathlib import Path
from typing import Annotated

import typer

from spex._version import __version__
from spex.cli.evaluating.commands import evaluate
from spex.cli.session import Session
from spex.cli.storing.commands import store as store_commands

# rich_markup_mode=None: help texts hold brackets, which markup would swallow.
app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.add_typer(evaluate, name="evaluate")
app.add_typer(store_commands, name="store")

_Index = Annotated[
    str | None,
    typer.Option(
        "--index",
        metavar="I",
        help="What the table shows: SV, BV, SII, k-SII, BII, STII, "
        "FSII (default with --weighting shapley), FBII (default), Moebius or Fourier.",
    ),
]
_Order = Annotated[
    int | None,
    typer.Option(
        "--order",
        metavar="K",
        help="Highest order shown, such as 2 for single units and pairs. With neither index "
        "nor order: up to the order that holds 95 % of the variance.",
    ),
]
_Top = Annotated[int, typer.Option("--top", metavar="N", help="Rows of the printed table.")]
_MaxDegree = Annotated[
    int, typer.Option(metavar="D", help="Highest order of interaction searched for.")
]
_Weighting = Annotated[
    str,
    typer.Option(
        "--weighting",
        metavar="W",
        help="Which masks are asked for and R2 is about: uniform, or shapley (every size alike: "
        "better values of SV, SII, k-SII, STII and FSII).",
    ),
]
_Seed = Annotated[int, typer.Option(metavar="N", help="Random seed.")]
_Out = Annotated[Path | None, typer.Option(metavar="FILE.json", help="Save the explanation.")]
_Html = Annotated[
    Path | None, typer.Option(metavar="FILE.html", help="Write a page to read and share.")
]
_Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"spex {__version__}")
        raise typer.Exit


@app.callback(
    epilog="Exit status: 0 success, 2 wrong call, 1 a model, server or file failed, 130 Ctrl-C or "
    "SIGTERM."
)
def _spex(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Find what drove a language model's answer, and what did so only together.

    \b
    Start here:
      spex demo
      spex explain --text review.txt --score logodds:positive,negative \\
        --prompt 'Is this review positive or negative? {input} Answer with one word.'
    """  # noqa: D301 - typer wants the character \b


@app.command()
def explain(
    context: typer.Context,
    text: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="The text to explain, UTF-8, less its final line break; - for standard input.",
        ),
    ] = None,
    documents: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Or documents that the model answers from: a JSON list of texts or of objects "
            'with "title", "text" and maybe "score", or an object with such a list under '
            '"documents" and a "question", which goes where the prompt says {question}.',
        ),
    ] = None,
    question: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="What is asked about --documents, if their file has no question of its own.",
        ),
    ] = None,
    messages: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help='Or a chat: a JSON list of objects with "role" and "content", the last of role '
            "user or tool; messages of role system are never left out.",
        ),
    ] = None,
    reasoning: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Or a question as text, whose answer the model reasons about: the units are the "
            "steps of its reasoning, and with --unit given twice those of the question as well, "
            "which come first.",
        ),
    ] = None,
    trace: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="With --reasoning: what the model wrote before its final answer, with its tags, "
            "such as <think>; default: the model writes it now.",
        ),
    ] = None,
    answer_cue: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="With --reasoning: what stands between the steps and the final answer; default: a "
            "blank line and, but after a reasoning block, a line 'Final answer:'.",
        ),
    ] = None,
    agent: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Or the trace of an agent: a JSON list of messages with calls of tools and their "
            "results, or a saved request with these and the tools, as OpenAI's interfaces, "
            'Anthropic\'s and AgentDojo have them, perhaps with "memory" and "against" (another '
            "call or text). Explained is the last call.",
        ),
    ] = None,
    inspect_log: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Or a log of inspect_ai, .eval or .json: the last message of the assistant in "
            "the sample that --sample names.",
        ),
    ] = None,
    sample: Annotated[
        str | None,
        typer.Option(
            metavar="N", help="With --inspect-log: the id of the sample, or its number, from 1 on."
        ),
    ] = None,
    epoch: Annotated[
        int | None,
        typer.Option(metavar="N", help="With --inspect-log: the repeat, from 1 (default) on."),
    ] = None,
    turn: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="With --agent and --inspect-log: the number of the message of the assistant that "
            "is explained, from 0 on.",
        ),
    ] = None,
    image: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Or a picture, for a model that takes pictures; together with --text, the patches "
            "of the picture and the units of the text side by side.",
        ),
    ] = None,
    table: Annotated[
        str | None,
        typer.Option(
            metavar="FILE.csv",
            help="Or a row of a table, for --model predict:...: CSV with a header; the first row "
            "is explained, the rows under it stand in for the cells left out.",
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Or many of these, one a row: .jsonl, .json or .csv with text, documents, "
            "messages or image, and perhaps id, question, prompt, unit, score and answer (see "
            "docs/many.md); --out is then a folder.",
        ),
    ] = None,
    prompt_parts: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="With --data: the parts of one prompt for all items, a JSON list of texts or of "
            'objects with "text" and maybe "name" and "pinned"; {input} in one of them is where '
            "an item goes. Explained is the mean score over the items; each has input (or text) "
            "and, for the score, answer (or label); see docs/prompts.md.",
        ),
    ] = None,
    missing: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TEXT",
            help="A text in --table that stands for a missing cell, such as NA, beside the empty "
            "cell; several times for several.",
        ),
    ] = None,
    group: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=COLUMN,...",
            help="Columns of --table that are one unit, such as place=latitude,longitude; several "
            "times for several.",
        ),
    ] = None,
    prompt: Annotated[
        str | None,
        typer.Option(
            metavar="TEMPLATE",
            help="The user's message, with {input} once, where the text or the documents go; what "
            "is around it is never left out; default: {input} alone. With --image: what is "
            "asked about the picture.",
        ),
    ] = None,
    system: Annotated[
        str | None, typer.Option(metavar="MESSAGE", help="A system message, never left out.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="M",
            help="smollm2 (default), hf:FOLDER_OR_HUB_NAME, gguf:FILE, "
            "openai:MODEL@BASE_URL for an OpenAI-compatible server (vLLM, llama.cpp and others), "
            "sglang:MODEL@URL (a server's key is taken from OPENAI_API_KEY), or "
            "reply:MODULE:FUNCTION, a Python function from a prompt to a reply. Not a language "
            "model: efficientnet-lite0 (pictures, unless given), or predict:MODULE:FUNCTION, a "
            "Python function from inputs to numbers.",
        ),
    ] = None,
    price: Annotated[
        str | None,
        typer.Option(
            metavar="READ,WRITTEN",
            help="What a server asks for, in dollars per million tokens read and written, such as "
            "0.15,0.60; the cost is then told, and guessed by --dry-run.",
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            metavar="D",
            help="Of smollm2 and hf models: such as cpu or cuda:1; default: CUDA if there is any.",
        ),
    ] = None,
    device_map: Annotated[
        str | None,
        typer.Option(
            metavar="MAP",
            help="Or how such a model is spread over several devices, such as auto.",
        ),
    ] = None,
    dtype: Annotated[
        str | None,
        typer.Option(
            metavar="T",
            help="Precision of such a model, such as bfloat16; default: float32 on a CPU and "
            "the checkpoint's own elsewhere.",
        ),
    ] = None,
    attn_implementation: Annotated[
        str | None,
        typer.Option(
            metavar="A",
            help="Attention kernel of such a model: eager, sdpa, flash_attention_2 and so on, as "
            "transformers names them.",
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Threads of a GGUF model; default: the cores that spex may use."
        ),
    ] = None,
    chat_template_kwargs: Annotated[
        str | None,
        typer.Option(
            metavar="JSON",
            help="Variables for the model's chat template, such as '{\"enable_thinking\": false}' "
            "for models that reason otherwise.",
        ),
    ] = None,
    answer_prefix: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="Text at the start of the model's answer; what is scored or generated comes "
            "after it.",
        ),
    ] = None,
    scoring_check: Annotated[
        str | None,
        typer.Option(
            metavar="W",
            help="What to do where the model gives other log-probabilities when it is asked in "
            "another way, which is tried before the first evaluation: stop (default), or note it "
            "in the report.",
        ),
    ] = None,
    unit: Annotated[
        list[str] | None,
        typer.Option(
            metavar="U",
            help="word (word:zh, word:ja and word:th where no spaces separate words), sentence "
            "(sentence:de and so on), paragraph, section, line (of code), token (of the model), "
            "regex:PATTERN; document, message, step (of reasoning) or part (of the trace of an "
            "agent) as well. Of a picture: grid:COLUMNSxROWS or superpixels:N. Default: word, "
            "document, message, sentence (of reasoning), part or grid:8x8. For --image with "
            "--text, give one for each.",
        ),
    ] = None,
    mask: Annotated[
        list[str] | None,
        typer.Option(
            metavar="OP",
            help="What becomes of a unit left out: delete (default), mask, mask:TOKEN, "
            "neutral or neutral:TEXT; in a picture mean (default), grey, blur, blur:SIGMA or "
            "inpaint.",
        ),
    ] = None,
    zoom: Annotated[
        str | None,
        typer.Option(
            metavar="U",
            help="Explain these coarser units first, such as paragraph, document or message, with "
            "half of the budget, then the units inside those that matter. Several between commas, "
            "such as section,paragraph,sentence, or auto: from level to level, for long inputs.",
        ),
    ] = None,
    score: Annotated[
        str,
        typer.Option(
            metavar="S",
            help="logprob (of the answer), logprob:mean (per token), probability, or logodds:A,B "
            "(log P(A) - log P(B); spaces count), such as logodds:positive,negative. For servers "
            "that return text alone: similarity (of the reply to the answer), matches:PATTERN or "
            "json:FIELD=VALUE (1 where the reply passes, else 0).",
        ),
    ] = "logprob",
    answer: Annotated[
        str | None,
        typer.Option(
            metavar="A",
            help="The answer that logprob and probability explain and similarity compares with; of "
            "what predicts numbers, which one: its name, such as a class, or its position, from 0; "
            "default: the model's own answer, or the largest number.",
        ),
    ] = None,
    max_new_tokens: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Length at which what the model writes is cut off, in tokens; default: 64, for "
            "--score json 256.",
        ),
    ] = None,
    budget: Annotated[
        int, typer.Option(metavar="N", help="At most this many calls of the model.")
    ] = 2000,
    target_r2: Annotated[
        float | None,
        typer.Option(
            metavar="X", help="Stop once R2 is at least this, with confidence, such as 0.9."
        ),
    ] = None,
    max_calls: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Stop before the model is called more often than this, and explain what is there; "
            "what is kept from an earlier run costs nothing.",
        ),
    ] = None,
    max_tokens: Annotated[
        int | None,
        typer.Option(metavar="N", help="Stop before more tokens than this are read and written."),
    ] = None,
    max_seconds: Annotated[
        float | None,
        typer.Option(metavar="X", help="Stop when the model has been asked for so many seconds."),
    ] = None,
    max_cost: Annotated[
        float | None,
        typer.Option(
            metavar="X", help="Stop before more dollars than this are spent; see --price."
        ),
    ] = None,
    method: Annotated[
        str,
        typer.Option(
            metavar="M",
            help="auto (the best that the budget allows, or several joined), exact, linear, "
            "spex, gp or proxyspex.",
        ),
    ] = "auto",
    max_degree: _MaxDegree = 5,
    weighting: _Weighting = "uniform",
    index: _Index = None,
    order: _Order = None,
    top: _Top = 15,
    seed: _Seed = 0,
    store: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Where evaluations are kept, so that no call is made twice and Ctrl-C loses "
            "nothing; default: a file in the user's cache folder.",
        ),
    ] = None,
    retries: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Of reply: and predict: models: how many times in a row a function that raises an "
            "error is asked again; with --max-gaps or --timeout, any model.",
        ),
    ] = 2,
    max_gaps: Annotated[
        float,
        typer.Option(
            metavar="X",
            help="The share of the evaluations that may fail for good, such as 0.05; the "
            "explanation is then made without them.",
        ),
    ] = 0.0,
    timeout: Annotated[
        float | None,
        typer.Option(
            metavar="S", help="Seconds after which a batch of the model counts as failed."
        ),
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(
            metavar="E",
            help="Where the model is evaluated: ray, on the cores or GPUs of this machine, or "
            "ray:ADDRESS, on a Ray cluster; default: in this process.",
        ),
    ] = None,
    no_store: Annotated[
        bool, typer.Option("--no-store", help="Keep no evaluations and use none kept.")
    ] = False,
    out: _Out = None,
    html: _Html = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Only show the units, the number of calls and the prompt; then tokens and time, "
            "from a few calls where the model is on this machine, by the length of the text where "
            "it is on a server.",
        ),
    ] = False,
    quiet: _Quiet = False,
) -> None:
    """Explain a model's answer to a text, to documents, in a chat, to a picture, or for a row.

    \b
    Examples:
      spex explain --text review.txt --prompt 'Sentiment of: {input}' \\
        --score logodds:positive,negative --budget 500 --html review.html
      echo 'The cat sat on the mat' | spex explain --text - --answer 'A cat.'
      spex explain --text report.txt --unit sentence --prompt 'Summarise: {input}' --dry-run
      spex explain --documents passages.json --answer Paris --html why-paris.html
      spex explain --messages chat.json --unit sentence
      spex explain --reasoning question.txt --trace trace.txt --unit step --answer 42
      spex explain --agent trace.json --html why-this-call.html
      spex explain --inspect-log log.eval --sample 3 --model hf:FOLDER
      spex explain --image cat.jpg --unit superpixels:40 --mask blur --html cat.html
      spex explain --image cat.jpg --prompt 'What is shown?' --html cat.html \\
        --model hf:llava-hf/llava-v1.6-mistral-7b-hf
      spex explain --text report.txt --unit sentence --zoom paragraph --html report.html
      spex explain --text book.txt --unit word --zoom auto --html book.html
      spex explain --image cat.jpg --text question.txt --unit grid:6x6 --unit word \\
        --model openai:my-vlm@http://127.0.0.1:8000/v1
      spex explain --table rows.csv --model predict:my_models:forest.predict_proba
      spex explain --text review.txt --score similarity --budget 300 \\
        --model openai:gpt-4o-mini@https://api.openai.com/v1
      spex explain --data reviews.jsonl --budget 200 --out reviews
      spex explain --prompt-parts prompt.json --data reviews.jsonl \\
        --score logodds:positive,negative --budget 2000 --out prompt-effects.json
    """  # noqa: D301 - typer wants the character \b
    options = dict(locals())
    from spex.cli.early.names import check_explain

    session: Session = context.obj
    check_explain(options, session.has_own_loader)  # before what is heavy loads
    if data is None or prompt_parts is not None:
        from spex.cli.explaining.running import run
    else:
        from spex.cli.explaining.many import run
    from spex.cli.explaining.request import Request
    from spex.cli.showing import Shown

    session.quiet = quiet
    run(session, Request.of(options, Shown(index, order, top, out, html)))


@app.command()
def fit(
    context: typer.Context,
    table: Annotated[
        Path,
        typer.Argument(
            metavar="FILE.csv",
            help="Evaluations: a header, one column of 0 and 1 for each feature, and the values.",
        ),
    ],
    value: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="The column of the values, default: value; several times for several outputs.",
        ),
    ] = None,
    method: Annotated[
        str, typer.Option(metavar="M", help="auto, exact, linear, gp or proxyspex.")
    ] = "auto",
    max_degree: _MaxDegree = 5,
    weighting: _Weighting = "uniform",
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="The column that says how much each mask counts in R2: the density of the "
            "weighting over the density that the masks were drawn with.",
        ),
    ] = None,
    index: _Index = None,
    order: _Order = None,
    top: _Top = 15,
    seed: _Seed = 0,
    out: _Out = None,
    html: _Html = None,
    quiet: _Quiet = False,
) -> None:
    """Explain evaluations that exist already, such as a log of ablations; no model is called.

    \b
    Examples:
      spex fit ablations.csv
      spex fit ablations.csv --value yes --value no --html answers.html
    """  # noqa: D301 - typer wants the character \b
    from spex.cli.early.names import check_settings

    check_settings(method, weighting, index)
    from spex.cli.fitting import run
    from spex.cli.showing import Shown

    session: Session = context.obj
    session.quiet = quiet
    run(
        session,
        table,
        tuple(value or ()),
        weights,
        {"method": method, "max_degree": max_degree, "seed": seed, "weighting": weighting},
        Shown(index, order, top, out, html),
    )


@app.command()
def plan(
    context: typer.Context,
    features: Annotated[
        int, typer.Option(metavar="N", help="Number of features, such as words of a text.")
    ],
    budget: Annotated[int, typer.Option(metavar="B", help="Calls of the model.")],
    degree: _MaxDegree = 5,
    noise: Annotated[
        float,
        typer.Option(
            metavar="S",
            help="Share of the variance in noise or in a tail of small coefficients, from 0 to "
            "below 1.",
        ),
    ] = 0.1,
) -> None:
    """Tell what a budget can recover, and what more would buy, before any call.

    Predicts by density evolution which share of the Fourier coefficients method spex finds, for
    this budget, twice and four times as much; takes a few seconds and no model.

    \b
    Examples:
      spex plan --features 64 --budget 2000
      spex plan --features 1000 --budget 20000 --degree 3 --noise 0.3
    """  # noqa: D301 - typer wants the character \b
    from spex.cli.planning import run

    run(context.obj, features, budget, degree, noise)


@app.command()
def report(
    context: typer.Context,
    explanation: Annotated[
        Path, typer.Argument(metavar="EXPLANATION.json", help="What `spex explain --out` saved.")
    ],
    html: _Html = None,
    png: Annotated[Path | None, typer.Option(metavar="FILE.png", help="Draw a plot.")] = None,
    svg: Annotated[
        Path | None, typer.Option(metavar="FILE.svg", help="Draw it as vectors.")
    ] = None,
    plot: Annotated[
        str,
        typer.Option(
            metavar="KIND",
            help="What --png and --svg draw: bar (default), text (combinations above the words), "
            "image, waterfall, network, heatmap (pairs), upset (sets of many), or learning_curve "
            "(R2 against evaluations).",
        ),
    ] = "bar",
    output: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Show this one of several outputs, such as a class; a plot is of one.",
        ),
    ] = None,
    index: _Index = None,
    order: _Order = None,
    top: Annotated[
        int | None,
        typer.Option(
            "--top",
            metavar="N",
            help="Rows of the printed table, default 15; or bars, lines or combinations of a plot.",
        ),
    ] = None,
) -> None:
    """Show a saved explanation: in the terminal, as a page, or as a picture.

    \b
    Examples:
      spex report review.json
      spex report review.json --index SV
      spex report review.json --order 2 --html review.html --png review.png
      spex report review.json --plot text --svg review.svg
      spex report classes.json --output cat --png cat.png
    """  # noqa: D301 - typer wants the character \b
    from spex.cli.early.names import check_index
    from spex.cli.early.outputs import check_report

    check_index(index)
    check_report(explanation, html, png, svg, plot)
    from spex.cli.reporting import Drawn, run

    run(context.obj, explanation, html, Drawn(plot, png, svg), output, index, order, top)


@app.command()
def compare(
    context: typer.Context,
    first: Annotated[Path, typer.Argument(metavar="A.json", help="What `--out` saved.")],
    second: Annotated[Path, typer.Argument(metavar="B.json", help="Another one.")],
    html: _Html = None,
    index: _Index = None,
    order: _Order = None,
    top: _Top = 15,
) -> None:
    """Tell how two explanations differ: of two prompts, two models or two answers.

    Features are matched by label; where all labels differ, by position. What only one of them has
    is listed. Of files with several outputs, those of the same name are compared.

    \b
    Examples:
      spex compare small.json large.json
      spex compare before.json after.json --html difference.html
    """  # noqa: D301 - typer wants the character \b
    from spex.cli.early.names import check_index
    from spex.cli.early.outputs import check_compare

    check_index(index)
    check_compare(first, second, html)
    from spex.cli.reporting import compare_files

    compare_files(context.obj, first, second, html, index, order, top)


@app.command()
def sets(
    context: typer.Context,
    explanation: Annotated[
        Path, typer.Argument(metavar="EXPLANATION.json", help="What `spex explain --out` saved.")
    ],
    change_to: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            help="The value that a change has to cross; default: 0 for log-odds, else half way "
            "between the values with everything and with nothing. It may be below 0.",
        ),
    ] = None,
    change_by: Annotated[
        float | None,
        typer.Option(
            metavar="X", help="Or how far it has to move: -2 for a fall by 2 or more, 2 for a rise."
        ),
    ] = None,
    keep: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            help="The value that a set has to keep alone; default: as --change-to. At most what "
            "everything has (at least, where the answer lies low).",
        ),
    ] = None,
    max_calls: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="At most this many calls for each of the three tables; default: 100 for each set, "
            "and 4 for each unit for the roles. What is in the store costs none.",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="M",
            help="The model of the explanation once more, where it is on a server or a Python "
            "function: a file alone makes spex neither run code nor send texts away.",
        ),
    ] = None,
    json: Annotated[
        Path | None, typer.Option(metavar="FILE.json", help="Write sets and roles as JSON.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.json", help="Save the explanation with its sets; may be the same file."
        ),
    ] = None,
    html: _Html = None,
    quiet: _Quiet = False,
) -> None:
    """Find the smallest sets that change or keep the answer, and each unit's role.

    Sets are proposed by the explanation and verified by calls of the model that it is about, with
    the same input: run this where `spex explain` ran.

    \b
    Examples:
      spex sets review.json
      spex sets review.json --change-by -1.5 --html review.html --out review.json
    """  # noqa: D301 - typer wants the character \b
    from spex.cli.finding_sets import Wanted, run

    session: Session = context.obj
    session.quiet = quiet
    wanted = Wanted(model, change_to, change_by, keep, max_calls, json, out, html)
    run(session, explanation, wanted)


@app.command("app")
def browser(
    context: typer.Context,
    port: Annotated[
        int, typer.Option(metavar="N", help="Port on 127.0.0.1; 0 takes any that is free.")
    ] = 7860,
    model: Annotated[
        str, typer.Option(metavar="M", help="The model that the form begins with.")
    ] = "smollm2",
) -> None:
    """Explain in the browser: paste a text, watch R2 rise, stop, explore, compare.

    Only this machine can open the page. Explanations are kept in the user's data folder, or in
    SPEX_DATA_DIR.

    \b
    Examples:
      spex app
      spex app --port 8000 --model openai:my-model@http://127.0.0.1:8000/v1
    """  # noqa: D301 - typer wants the character \b
    from spex.app.serving import run

    run(context.obj, port, model)


@app.command()
def demo(
    context: typer.Context,
    html: Annotated[Path, typer.Option(metavar="FILE.html", help="Where the page goes.")] = Path(
        "spex-demo.html"
    ),
    budget: Annotated[
        int,
        typer.Option(
            metavar="N", help="Calls of the model for the second text; more is more faithful."
        ),
    ] = 300,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print nothing but errors; write the page.")
    ] = False,
) -> None:
    """Explain why a small language model calls two reviews positive or negative.

    Takes a minute or two; the model (SmolLM2, 135M parameters) really runs, on this machine.
    """
    from spex.cli.demonstration.running import run

    session: Session = context.obj
    session.quiet = quiet
    run(session, html, budget)

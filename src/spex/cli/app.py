"""The commands of `spex`, their options and their help. What they do is in the other modules."""

from pathlib import Path
from typing import Annotated

import typer

from spex._version import __version__
from spex.cli.command import MaxDegree, takes
from spex.cli.evaluating.commands import evaluate
from spex.cli.explaining.options import Options
from spex.cli.options import CompareOptions, FitOptions, ReportOptions, SetsOptions
from spex.cli.session import Session, check_files, console
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


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"spex {__version__}")
        raise typer.Exit


@app.callback(
    epilog="Exit status: 0 success; 1 a model, server or file failed; 2 a wrong option or "
    "argument; 130 Ctrl-C or SIGTERM."
)
def _spex(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Find the parts of an input that drove a model's answer, alone or only together.

    \b
    Start here:
      spex demo
      spex explain --text review.txt --score logodds:positive,negative \\
        --prompt 'Is this review positive or negative? {input} Answer with one word.'
    """  # noqa: D301 - typer wants the character \b


@app.command()
@takes(Options)
def explain(session: Session, options: Options) -> None:
    """Explain a model's answer: to a text, documents, a chat, a picture or a table row.

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
    from spex.cli.early.names import check_explain

    check_explain(options, session.has_own_loader)  # before heavy packages load
    if options.data is None or options.prompt_parts is not None:
        from spex.cli.explaining.running import run
    else:
        from spex.cli.explaining.many import run
    from spex.cli.explaining.request import Request

    run(session, Request(**vars(options)))


@app.command()
@takes(FitOptions)
def fit(session: Session, options: FitOptions) -> None:
    """Explain evaluations that you already have, such as a log; calls no model.

    \b
    Examples:
      spex fit ablations.csv
      spex fit ablations.csv --value yes --value no --html answers.html
    """  # noqa: D301 - typer wants the character \b
    from spex.cli.early.names import check_settings

    check_settings(options.method, options.weighting, options.index)
    from spex.cli.fitting import run

    run(session, options)


@app.command()
def plan(
    context: typer.Context,
    features: Annotated[
        int, typer.Option(metavar="N", help="Number of features, such as words of a text.")
    ],
    budget: Annotated[int, typer.Option(metavar="B", help="Calls of the model.")],
    degree: MaxDegree = 5,
    noise: Annotated[
        float,
        typer.Option(
            metavar="S",
            help="Share of the variance in noise or in a tail of small coefficients, from 0 to "
            "below 1.",
        ),
    ] = 0.1,
) -> None:
    """Predict what a budget can recover, before any call.

    Density evolution predicts the share of the Fourier coefficients that method spex finds with
    this budget, twice and four times as much. It takes a few seconds and calls no model.

    \b
    Examples:
      spex plan --features 64 --budget 2000
      spex plan --features 1000 --budget 20000 --degree 3 --noise 0.3
    """  # noqa: D301 - typer wants the character \b
    session: Session = context.obj
    with session.interruptible():
        from spex.planning.plan import plan

        console().print(str(plan(features, budget, degree, noise)))


@app.command()
@takes(ReportOptions)
def report(session: Session, options: ReportOptions) -> None:
    """Show a saved explanation in the terminal, as a page or as a picture.

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

    check_index(options.index)
    check_report(options)
    from spex.cli.reporting import run

    run(session, options)


@app.command()
@takes(CompareOptions)
def compare(session: Session, options: CompareOptions) -> None:
    """Show how two explanations differ: of two prompts, models or answers.

    Features are matched by label, or by position if all labels differ. Features that only one of
    them has are listed. In files with several outputs, outputs of the same name are compared.

    \b
    Examples:
      spex compare small.json large.json
      spex compare before.json after.json --html difference.html
    """  # noqa: D301 - typer wants the character \b
    from spex.cli.early.names import check_index

    check_index(options.index)
    check_files({"--html": options.html}, {"A": options.first, "B": options.second})
    from spex.cli.reporting import compare_files

    compare_files(session, options)


@app.command()
@takes(SetsOptions)
def sets(session: Session, options: SetsOptions) -> None:
    """Find the smallest sets that change or keep the answer, and each unit's role.

    The explanation proposes sets, and calls of the same model with the same input verify them. So
    run this in the folder where `spex explain` ran.

    \b
    Examples:
      spex sets review.json
      spex sets review.json --change-by -1.5 --html review.html --out review.json
    """  # noqa: D301 - typer wants the character \b
    from spex.cli.finding_sets import run

    run(session, options)


@app.command("app")
def browser(
    context: typer.Context,
    port: Annotated[
        int, typer.Option(metavar="N", help="Port on 127.0.0.1; 0: any free port.")
    ] = 7860,
    model: Annotated[
        str, typer.Option(metavar="M", help="The model that is preset in the form.")
    ] = "smollm2",
) -> None:
    """Explain in the browser.

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
    html: Annotated[Path, typer.Option(metavar="FILE.html", help="The page to write.")] = Path(
        "spex-demo.html"
    ),
    budget: Annotated[
        int,
        typer.Option(
            metavar="N", help="Calls of the model for the second text; more give a higher R2."
        ),
    ] = 300,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print nothing but errors; write the page.")
    ] = False,
) -> None:
    """Explain why a small language model calls two reviews positive or negative.

    The model (SmolLM2, 135M parameters) runs on this machine. It takes a minute or two.
    """
    from spex.cli.demonstration.running import run

    session: Session = context.obj
    session.quiet = quiet
    run(session, html, budget)

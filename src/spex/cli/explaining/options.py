"""The options of `spex explain`, in the order of its help."""

from dataclasses import dataclass
from pathlib import Path

from spex.cli.command import (
    Html,
    Index,
    MaxDegree,
    Order,
    Out,
    Quiet,
    Seed,
    Top,
    Weighting,
    option,
    switch,
)
from spex.cli.explaining.input_options import InputOptions


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """The model, and how it is run."""

    model: str | None = option(
        "M",
        "smollm2 (default), hf:FOLDER_OR_HUB_NAME, gguf:FILE, "
        "openai:MODEL@BASE_URL for an OpenAI-compatible server (vLLM, llama.cpp and others), "
        "sglang:MODEL@URL (a server's key is taken from OPENAI_API_KEY), or "
        "reply:MODULE:FUNCTION, a Python function from a prompt to a reply. Not a language "
        "model: efficientnet-lite0 (pictures, unless given), or predict:MODULE:FUNCTION, a "
        "Python function from inputs to numbers.",
    )
    price: str | None = option(
        "READ,WRITTEN",
        "What a server asks for, in dollars per million tokens read and written, such as "
        "0.15,0.60; the cost is then told, and guessed by --dry-run.",
    )
    device: str | None = option(
        "D", "Of smollm2 and hf models: such as cpu or cuda:1; default: CUDA if there is any."
    )
    device_map: str | None = option(
        "MAP", "Or how such a model is spread over several devices, such as auto."
    )
    dtype: str | None = option(
        "T",
        "Precision of such a model, such as bfloat16; default: float32 on a CPU and "
        "the checkpoint's own elsewhere.",
    )
    attn_implementation: str | None = option(
        "A",
        "Attention kernel of such a model: eager, sdpa, flash_attention_2 and so on, as "
        "transformers names them.",
    )
    threads: int | None = option(
        "N", "Threads of a GGUF model; default: the cores that spex may use."
    )
    chat_template_kwargs: str | None = option(
        "JSON",
        "Variables for the model's chat template, such as '{\"enable_thinking\": false}' "
        "for models that reason otherwise.",
    )
    answer_prefix: str | None = option(
        "TEXT",
        "Text at the start of the model's answer; what is scored or generated comes after it.",
    )
    scoring_check: str | None = option(
        "W",
        "What to do where the model gives other log-probabilities when it is asked in "
        "another way, which is tried before the first evaluation: stop (default), or note it "
        "in the report.",
    )


@dataclass(frozen=True, kw_only=True)
class ScoreOptions:
    """What is left out, and what is measured."""

    unit: tuple[str, ...] = option(
        "U",
        "word (word:zh, word:ja and word:th where no spaces separate words), sentence "
        "(sentence:de and so on), paragraph, section, line (of code), token (of the model), "
        "regex:PATTERN; document, message, step (of reasoning) or part (of the trace of an "
        "agent) as well. Of a picture: grid:COLUMNSxROWS or superpixels:N. Default: word, "
        "document, message, sentence (of reasoning), part or grid:8x8. For --image with "
        "--text, give one for each.",
        (),
    )
    mask: tuple[str, ...] = option(
        "OP",
        "What becomes of a unit left out: delete (default), mask, mask:TOKEN, "
        "neutral or neutral:TEXT; in a picture mean (default), grey, blur, blur:SIGMA or "
        "inpaint.",
        (),
    )
    zoom: str | None = option(
        "U",
        "Explain these coarser units first, such as paragraph, document or message, with "
        "half of the budget, then the units inside those that matter. Several between commas, "
        "such as section,paragraph,sentence, or auto: from level to level, for long inputs.",
    )
    score: str = option(
        "S",
        "logprob (of the answer), logprob:mean (per token), probability, or logodds:A,B "
        "(log P(A) - log P(B); spaces count), such as logodds:positive,negative. For servers "
        "that return text alone: similarity (of the reply to the answer), matches:PATTERN or "
        "json:FIELD=VALUE (1 where the reply passes, else 0).",
        "logprob",
    )
    answer: str | None = option(
        "A",
        "The answer that logprob and probability explain and similarity compares with; of "
        "what predicts numbers, which one: its name, such as a class, or its position, from 0; "
        "default: the model's own answer, or the largest number.",
    )
    max_new_tokens: int | None = option(
        "N",
        "Length at which what the model writes is cut off, in tokens; default: 64, for "
        "--score json 256.",
    )


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How much is spent, how it is fitted, and what is shown."""

    budget: int = option("N", "At most this many calls of the model.", 2000)
    target_r2: float | None = option(
        "X", "Stop once R2 is at least this, with confidence, such as 0.9."
    )
    max_calls: int | None = option(
        "N",
        "Stop before the model is called more often than this, and explain what is there; "
        "what is kept from an earlier run costs nothing.",
    )
    max_tokens: int | None = option("N", "Stop before more tokens than this are read and written.")
    max_seconds: float | None = option(
        "X", "Stop when the model has been asked for so many seconds."
    )
    max_cost: float | None = option(
        "X", "Stop before more dollars than this are spent; see --price."
    )
    method: str = option(
        "M",
        "auto (the best that the budget allows, or several joined), exact, linear, "
        "spex, gp or proxyspex.",
        "auto",
    )
    max_degree: MaxDegree = 5
    weighting: Weighting = "uniform"
    index: Index = None
    order: Order = None
    top: Top = 15
    seed: Seed = 0
    store: Path | None = option(
        "FILE",
        "Where evaluations are kept, so that no call is made twice and Ctrl-C loses "
        "nothing; default: a file in the user's cache folder.",
    )
    retries: int = option(
        "N",
        "Of reply: and predict: models: how many times in a row a function that raises an "
        "error is asked again; with --max-gaps or --timeout, any model.",
        2,
    )
    max_gaps: float = option(
        "X",
        "The share of the evaluations that may fail for good, such as 0.05; the "
        "explanation is then made without them.",
        0.0,
    )
    timeout: float | None = option(
        "S", "Seconds after which a batch of the model counts as failed."
    )
    engine: str | None = option(
        "E",
        "Where the model is evaluated: ray, on the cores or GPUs of this machine, or "
        "ray:ADDRESS, on a Ray cluster; default: in this process.",
    )
    no_store: bool = switch("--no-store", "Keep no evaluations and use none kept.")
    out: Out = None
    html: Html = None
    dry_run: bool = switch(
        "--dry-run",
        "Only show the units, the number of calls and the prompt; then tokens and time, "
        "from a few calls where the model is on this machine, by the length of the text where "
        "it is on a server.",
    )
    quiet: Quiet = False


# Dataclasses take the fields of the last base first.
@dataclass(frozen=True, kw_only=True)
class Options(RunOptions, ScoreOptions, ModelOptions, InputOptions):
    """As typed; the help says what they mean."""

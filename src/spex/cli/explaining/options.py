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
        "sglang:MODEL@URL (the key of a server is read from OPENAI_API_KEY), or "
        "reply:MODULE:FUNCTION, a Python function from a prompt to a reply. Without a language "
        "model: efficientnet-lite0 (default for pictures), or predict:MODULE:FUNCTION, a "
        "Python function from inputs to numbers.",
    )
    price: str | None = option(
        "READ,WRITTEN",
        "Price of a server, in dollars per million tokens read and written, such as 0.15,0.60. "
        "The cost is then shown, and --dry-run estimates it.",
    )
    device: str | None = option(
        "D", "Device of smollm2 and hf models, such as cpu or cuda:1; default: CUDA if present."
    )
    device_map: str | None = option(
        "MAP", "How such a model is spread over several devices, such as auto."
    )
    dtype: str | None = option(
        "T",
        "Precision of such a model, such as bfloat16; default: float32 on a CPU, else that of "
        "the checkpoint.",
    )
    attn_implementation: str | None = option(
        "A",
        "Attention kernel of such a model, as transformers names it: eager, sdpa, "
        "flash_attention_2 and so on.",
    )
    threads: int | None = option(
        "N", "Threads of a GGUF model; default: all cores that spex may use."
    )
    chat_template_kwargs: str | None = option(
        "JSON",
        "Variables for the model's chat template, such as '{\"enable_thinking\": false}' to "
        "turn reasoning off.",
    )
    answer_prefix: str | None = option(
        "TEXT",
        "Text at the start of the model's answer; the scored or generated text follows it.",
    )
    scoring_check: str | None = option(
        "W",
        "Before the first evaluation, spex computes some log-probabilities in two ways. If "
        "they differ: stop (default), or note it in the report.",
    )


@dataclass(frozen=True, kw_only=True)
class ScoreOptions:
    """The features and the score."""

    unit: tuple[str, ...] = option(
        "U",
        "Unit of a text: word (word:zh, word:ja, word:th for languages without spaces), "
        "sentence (sentence:de and so on), paragraph, section, line (of code), token (of the "
        "model), regex:PATTERN. For some inputs also document, message, step (of reasoning) or "
        "part (of an agent's trace). Unit of a picture: grid:COLUMNSxROWS or superpixels:N. "
        "Default: word, document, message, sentence (of reasoning), part or grid:8x8. For "
        "--image with --text, give one for each.",
        (),
    )
    mask: tuple[str, ...] = option(
        "OP",
        "What replaces a unit left out: delete (default: nothing), mask, mask:TOKEN, neutral "
        "or neutral:TEXT. In a picture: mean (default), grey, blur, blur:SIGMA or inpaint.",
        (),
    )
    zoom: str | None = option(
        "U",
        "Explain coarser units first, such as paragraph, document or message, with half of the "
        "budget. Then explain the units inside those that matter. For long inputs, give several "
        "levels, such as section,paragraph,sentence, or auto.",
    )
    score: str = option(
        "S",
        "logprob (of the answer), logprob:mean (per token), probability, or logodds:A,B "
        "(log P(A) - log P(B); spaces count), such as logodds:positive,negative. For servers "
        "that return only text: similarity (of the reply to the answer), matches:PATTERN or "
        "json:FIELD=VALUE (1 if the reply passes, else 0).",
        "logprob",
    )
    answer: str | None = option(
        "A",
        "The answer that logprob and probability explain, and that similarity compares with. "
        "For a model that predicts numbers: the name of one, such as a class, or its position, "
        "from 0. Default: the model's own answer, or the largest number.",
    )
    max_new_tokens: int | None = option(
        "N",
        "The most tokens that the model writes; default: 64, and 256 for --score json.",
    )


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Cost, fit and output."""

    budget: int = option("N", "At most this many calls of the model.", 2000)
    target_r2: float | None = option(
        "X", "Stop as soon as the lower bound of R2 is at least this, such as 0.9."
    )
    max_calls: int | None = option(
        "N",
        "Stop before the model is called more often than this, and explain the values so far. "
        "Values from an earlier run cost nothing.",
    )
    max_tokens: int | None = option("N", "Stop before more tokens than this are read and written.")
    max_seconds: float | None = option("X", "Stop when the model has worked for so many seconds.")
    max_cost: float | None = option(
        "X", "Stop before more dollars than this are spent; see --price."
    )
    method: str = option(
        "M",
        "auto (the best for the budget, or a mean of several), exact, linear, spex, gp or "
        "proxyspex.",
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
        "The file that keeps evaluations, so that no call is made twice and Ctrl-C loses "
        "nothing; default: a file in the user's cache folder.",
    )
    retries: int = option(
        "N",
        "How many times in a row a function (reply:, predict:) is asked again if it raises an "
        "error; with --max-gaps or --timeout, any model.",
        2,
    )
    max_gaps: float = option(
        "X",
        "The share of the evaluations that may fail, such as 0.05. spex then explains without "
        "them.",
        0.0,
    )
    timeout: float | None = option(
        "S", "A batch of the model that takes longer than so many seconds counts as failed."
    )
    engine: str | None = option(
        "E",
        "Where the model runs: ray (on the cores or GPUs of this machine) or ray:ADDRESS (on a "
        "Ray cluster); default: in this process.",
    )
    no_store: bool = switch("--no-store", "Do not keep evaluations or use kept ones.")
    out: Out = None
    html: Html = None
    dry_run: bool = switch(
        "--dry-run",
        "Only show the units, the number of calls and the prompt, then the tokens and the time. "
        "A model on this machine is called a few times for this; a server never.",
    )
    quiet: Quiet = False


# Dataclasses take the fields of the last base first.
@dataclass(frozen=True, kw_only=True)
class Options(RunOptions, ScoreOptions, ModelOptions, InputOptions):
    """All options of `spex explain`, as typed."""

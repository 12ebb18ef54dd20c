"""What a call of `spex explain` will cost: tokens and time, from a few calls on this machine."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spex._typing import BoolArray
from spex.models.servers.address import SERVER_PREFIXES
from spex.report import facts
from spex.scores.log_probabilities import LogOdds, LogProb, Probability
from spex.values.value_function import ValueFunction
from spex.wording import counted

if TYPE_CHECKING:
    from spex.cli.explaining.functions import Function
    from spex.inputs.protocol import PromptMasker
    from spex.scores.log_probabilities import Score

# A few batches of masks. For a slow model fewer are timed.
_TIMED_MASKS = 64
_TIMED_SECONDS = 5.0
_COUNTED_MASKS = 256
# Drawing a picture takes longer, and all prompts of one explanation have the same text.
_COUNTED_PICTURES = 4
# About right for English with the usual tokenizers.
_CHARACTERS_A_TOKEN = 4


def unavailable(model: str) -> str | None:
    """Why asking the model would cost money or a download; None if it would not."""
    kind, _, name = model.partition(":")
    if model.startswith(SERVER_PREFIXES):
        return "a server is not asked in a dry run"
    if kind == "reply":
        return "a function, whose calls may cost something, is not asked in a dry run"
    if kind == "hf" and not Path(name).expanduser().is_dir():
        try:
            from huggingface_hub import try_to_load_from_cache
        except ImportError:
            return None  # loading reports what is missing
        try:
            found = try_to_load_from_cache(name, "config.json")
        except ValueError:
            return None  # not a name on the hub; loading reports it
        if not isinstance(found, str):
            return f"{name} has not been fetched from the Hugging Face hub yet"
    return None


def estimate(
    function: "Function", calls: int, go_on: Callable[[], None] = lambda: None
) -> list[str]:
    """Sentences about tokens, if the model counts them, and about time.

    `go_on` is called before each call of the model, and may raise to stop.

    Raises:
        SpexError: the model refuses the prompts, or failed.
    """
    rng = np.random.default_rng(0)
    drawn = rng.random((_COUNTED_MASKS, function.n_features)) < 0.5
    masks = rng.permutation(np.unique(drawn, axis=0))
    lines = []
    if isinstance(function, ValueFunction):
        count_tokens = getattr(function.model, "count_tokens", None)
        if count_tokens is not None:
            render = function.masker.render
            (whole,) = count_tokens([render(np.ones(function.n_features))])
            mean = float(np.mean(count_tokens([render(mask) for mask in masks])))
            lines.append(
                f"About {mean:,.0f} tokens a prompt, {_rounded(mean * calls)} in all; "
                f"{whole:,} with every unit"
            )
    elif function.outputs is None:
        lines.append(f"Explains {function.contexts()[0].score}")
    go_on()
    function(masks[:1])  # the first call of a model takes longer
    go_on()
    single = _seconds(function, masks[1:2])
    # Time them together, as in the run: a batch takes less time than single calls.
    many = masks[: max(2, min(_TIMED_MASKS, int(_TIMED_SECONDS / single)))]
    go_on()
    seconds = _seconds(function, many)
    lines.append(
        f"About {_duration(seconds / len(many) * calls)} on this machine, where "
        f"{counted(len(many), 'call')} took {seconds:.1f} s"
    )
    return lines


def guess(
    masker: "PromptMasker", score: "Score", calls: int, price: tuple[float, float] | None
) -> list[str]:
    """Sentences about the tokens and the cost of a model on a server, which is not asked."""
    rng = np.random.default_rng(0)
    masks = rng.random((_COUNTED_MASKS, masker.n_features)) < 0.5
    prompts = [masker.render(mask) for mask in masks[:_COUNTED_PICTURES]]
    pictured = prompts[0].has_images
    if not pictured:
        prompts += [masker.render(mask) for mask in masks[_COUNTED_PICTURES:]]
    characters = [sum(len(message.as_text) for message in one.messages) for one in prompts]
    read = calls * float(np.mean(characters)) / _CHARACTERS_A_TOKEN
    # To score a given answer, a server writes one token, or the whole answer.
    of_answers = isinstance(score, LogProb | Probability | LogOdds)
    longest: int | None = None if of_answers else getattr(score, "max_new_tokens", None)
    written = calls * (longest or 1)
    bound = "about" if longest is None else "at most"
    lines = [
        f"At {_CHARACTERS_A_TOKEN} characters a token, about {_rounded(read)} tokens read and "
        f"{bound} {_rounded(written)} written"
    ]
    if pictured:
        lines.append("Pictures are not counted: only the server knows how many tokens they take")
    if price is not None:
        cost = facts.dollars((read * price[0] + written * price[1]) / 1e6)
        without = ", pictures not counted" if pictured else ""
        # Not "at most", because the number of tokens of the prompts is a guess.
        lines.append(f"About {cost} at the price given{without}")
    return lines


def _seconds(function: "Function", masks: BoolArray) -> float:
    start = time.perf_counter()
    function(masks)
    return time.perf_counter() - start


def _rounded(number: float) -> str:
    """To two significant digits: more would claim too much."""
    return f"{float(f'{number:.2g}'):,.0f}"


def _duration(seconds: float) -> str:
    for size, unit in ((3600.0, "hour"), (60.0, "minute")):
        if seconds >= 1.5 * size:
            return counted(round(seconds / size), unit)
    return counted(max(1, round(seconds)), "second")

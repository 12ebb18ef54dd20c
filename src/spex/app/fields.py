"""The fields of the form: what a user fills in before an explanation."""

import html
from collections.abc import Callable
from pathlib import Path
from typing import Any

from spex.app.form import CHAT, DOCUMENTS, LABELS, PICTURE, TABLE, TEXT, Form
from spex.cli.explaining.inputs import read_file
from spex.errors import ArgumentError

_EXAMPLE = "Her acting never fails to impress"
_PROMPT = "Is the sentiment of this review positive or negative? Review: {input}"
_SCORES = ["logodds:positive,negative", "logprob", "logprob:mean", "probability", "similarity"]
_UNITS = ["word", "sentence", "paragraph", "line", "token", "document", "message", "grid:8x6"]
_MODELS = ["smollm2", "efficientnet-lite0"]
_METHODS = ["auto", "exact", "linear", "gp", "proxyspex", "spex"]
_HINTS = {
    TEXT: "The text, as the model is given it",
    DOCUMENTS: 'JSON: [{"title": ..., "text": ...}, ...], or {"question": ..., "documents": [...]}',
    CHAT: 'JSON: [{"role": "user", "content": ...}, ...]',
    TABLE: "CSV: a header, the row to explain, and rows whose cells stand in for its own; for a "
    "model predict:MODULE:FUNCTION",
    PICTURE: "",
}
_UNIT_OF = {TEXT: "word", PICTURE: "grid:8x6", DOCUMENTS: "document", CHAT: "message", TABLE: None}
_MOST_BYTES = 2 * 10**6  # of a text shown in a field


def fields(gradio: Any, model: str) -> list[Any]:
    """The inputs, in the order that `filled` takes them.

    Args:
        gradio: The package.
        model: The name that the form begins with.
    """
    kinds = [TEXT, PICTURE, DOCUMENTS, CHAT, TABLE]
    kind = gradio.Radio(kinds, value=TEXT, label="Input")
    content = gradio.Textbox(_EXAMPLE, label=TEXT, info=_HINTS[TEXT], lines=5, max_lines=16)
    load = gradio.UploadButton("Load a file", size="sm")
    read = _loading(gradio)
    load.upload(read, load, content, show_progress="hidden", trigger_mode="multiple")
    picture = _picture(gradio)
    prompt = gradio.Textbox(_PROMPT, label=LABELS["prompt"], info="{input} is where the input goes")
    with gradio.Row():
        unit = gradio.Dropdown(
            _UNITS,
            value="word",
            label=LABELS["unit"],
            allow_custom_value=True,
            info="What may be left out",
        )
        budget = gradio.Textbox("300", label=LABELS["budget"], info="Calls at most")
    score = gradio.Dropdown(
        _SCORES,
        value="logprob" if model.startswith("predict:") else _SCORES[0],
        label=LABELS["score"],
        allow_custom_value=True,
        info="What is measured of the answer; logodds:A,B compares two answers",
    )
    name = gradio.Dropdown(
        list(dict.fromkeys([model, *_MODELS])),
        value=model,
        label=LABELS["model"],
        allow_custom_value=True,
        info="Or hf:NAME, openai:MODEL@URL, sglang:MODEL@URL, gguf:FILE, reply:MODULE:FUNCTION",
    )
    answer = gradio.Textbox("", label=LABELS["answer"], info="Empty: the model's own")
    limits = _limits(gradio)
    more = _more(gradio)
    changed = [content, load, picture, prompt, unit, score, name]
    kind.change(_changing(gradio, model), [kind, name], changed, show_progress="hidden")
    return [kind, content, picture, prompt, unit, score, answer, name, budget, *limits, *more]


def _picture(gradio: Any) -> Any:
    """The field for a picture, which hands on the file as it was loaded."""

    def read(_: Any, loaded: Any) -> str | None:
        return None if loaded is None else str(loaded.path)

    # gradio's own reader raises on a file that is not a picture, before our code could say so. So
    # replace it on the class itself: gradio makes the component again if a page changes it, and it
    # cannot rewrite the source code of a derived class.
    gradio.Image.preprocess = read
    return gradio.Image(type="filepath", label=PICTURE, visible=False, sources=["upload"])


def _loading(gradio: Any) -> Callable[[str], Any]:
    """What reads a loaded file into the field."""

    def read(path: str) -> Any:
        try:
            if Path(path).stat().st_size > _MOST_BYTES:
                raise ArgumentError(
                    f"is larger than {_MOST_BYTES // 10**6} MB, the limit here; use `spex explain`"
                )
            # The final line break of a file does not belong to its text.
            return read_file("", path).removesuffix("\n").removesuffix("\r")
        except ArgumentError as error:
            told = f"{Path(path).name} {str(error).removeprefix(': ')}"
            gradio.Warning(html.escape(told), title="Not loaded")
            return gradio.skip()

    return read


def _limits(gradio: Any) -> list[Any]:
    with gradio.Accordion("Limits and price", open=False):
        with gradio.Row():
            calls = gradio.Textbox("", label=LABELS["max_calls"], info="Kept ones are free")
            tokens = gradio.Textbox("", label=LABELS["max_tokens"], info="Read and written")
        with gradio.Row():
            seconds = gradio.Textbox("", label=LABELS["max_seconds"], info="Of asking the model")
            cost = gradio.Textbox("", label=LABELS["max_cost"], info="Needs the price")
        price = gradio.Textbox(
            "", label=LABELS["price"], info="$ per million tokens read,written: 0.15,0.60"
        )
    return [calls, tokens, seconds, cost, price]


def _more(gradio: Any) -> list[Any]:
    with gradio.Accordion("More", open=False):
        with gradio.Row():
            mask = gradio.Textbox("", label=LABELS["mask"], info="Empty: deleted")
            zoom = gradio.Dropdown(
                ["", "auto", "paragraph", "document", "message"],
                value="",
                label=LABELS["zoom"],
                allow_custom_value=True,
                info="Coarser units first, for long inputs",
            )
        with gradio.Row():
            method = gradio.Dropdown(_METHODS, value="auto", label=LABELS["method"])
            target = gradio.Textbox("", label=LABELS["target_r2"], placeholder="0.9")
        with gradio.Row():
            system = gradio.Textbox("", label=LABELS["system"])
            seed = gradio.Textbox("0", label=LABELS["seed"])
    return [mask, zoom, method, target, system, seed]


def _changing(gradio: Any, model: str) -> Callable[[str, str], list[Any]]:
    """What changes with the kind of input."""

    def change(kind: str, name: str) -> list[Any]:
        of_text = kind == TEXT
        if kind == TABLE:  # only a function predicts from a table
            name = name if (name or "").startswith("predict:") else ""
        elif not name or name in _MODELS:  # the bundled models, for texts and for pictures
            name = _MODELS[1] if kind == PICTURE else model if of_text else _MODELS[0]
        score = _SCORES[0] if of_text and not name.startswith("predict:") else "logprob"
        return [
            gradio.update(
                visible=kind != PICTURE, label=kind, info=_HINTS[kind], value=_EXAMPLE * of_text
            ),
            gradio.update(visible=kind != PICTURE),
            gradio.update(visible=kind == PICTURE),
            gradio.update(value=_PROMPT * of_text, visible=kind not in (CHAT, TABLE)),
            gradio.update(value=_UNIT_OF[kind], visible=kind != TABLE),
            gradio.update(value=score, visible=kind != TABLE),
            gradio.update(value=name),
        ]

    return change


def filled(kind: str, content: str, picture: str | None, *options: Any) -> Form:
    """The form with these values of its fields."""
    # A cleared field is None. White space around a template is kept; white space alone counts as
    # empty.
    given = {name: str(value or "") for name, value in zip(LABELS, options, strict=True)}
    return Form(kind, content or "", picture, {k: v for k, v in given.items() if v.strip()})

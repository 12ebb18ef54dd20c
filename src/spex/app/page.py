"""The page of `spex app`: what a user fills in, watches and opens."""

import html
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spex.app.curve import curve
from spex.app.form import CHAT, DOCUMENTS, PICTURE, TEXT, Form
from spex.app.job import Call, Job
from spex.app.models import SharedModels
from spex.app.shelf import Entry, Shelf
from spex.cli.showing import load
from spex.errors import SpexError
from spex.explanation import Explanation
from spex.report import facts
from spex.wording import percent

_SECONDS = 0.4  # between two looks at a job
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
    PICTURE: "",
}
# Of `spex explain`, in the order of the form after what the input is.
_OPTIONS = ("prompt", "unit", "score", "answer", "model", "budget")
_MORE = ("mask", "method", "target_r2", "system", "seed")


@dataclass
class Desk:
    """What all sessions share: saved explanations, models, and the jobs under way."""

    shelf: Shelf
    models: SharedModels
    jobs: list[Job] = field(default_factory=list)

    def start(self, form: Form) -> Job:
        """Begin to explain."""
        self.jobs = [job for job in self.jobs if not job.wait(0)]
        job = Job(form, self.shelf, self.models)
        self.jobs.append(job)
        return job


def build(gradio: Any, desk: Desk, model: str) -> Any:
    """The page, as blocks of gradio."""
    with gradio.Blocks(title="spex", analytics_enabled=False, fill_width=True) as page:
        gradio.Markdown(
            "# spex\nWhich parts made the model answer so, and which only together? "
            "The model is asked with parts left out."
        )
        with gradio.Tab("Explain"):
            refreshed = _explain_tab(gradio, desk, model)
        with gradio.Tab("Saved and compare"):
            _saved_tab(gradio, desk, page, refreshed)
    return page


def _form(gradio: Any, model: str) -> tuple[list[Any], Any]:
    """The inputs, in the order of `_filled`, and what was examined before."""
    kind = gradio.Radio([TEXT, PICTURE, DOCUMENTS, CHAT], value=TEXT, label="Input")
    content = gradio.Textbox(_EXAMPLE, label=TEXT, info=_HINTS[TEXT], lines=5, max_lines=16)
    picture = gradio.Image(type="filepath", label=PICTURE, visible=False, sources=["upload"])
    prompt = gradio.Textbox(_PROMPT, label="Prompt", info="{input} is where the input goes")
    with gradio.Row():
        unit = gradio.Dropdown(
            _UNITS, value="word", label="Unit", allow_custom_value=True, info="What may be left out"
        )
        budget = gradio.Textbox("300", label="Budget", info="Calls at most")
    score = gradio.Dropdown(
        _SCORES,
        value="logprob" if model.startswith("predict:") else _SCORES[0],
        label="Score",
        allow_custom_value=True,
        info="What is measured of the answer; logodds:A,B compares two answers",
    )
    name = gradio.Dropdown(
        list(dict.fromkeys([model, *_MODELS])),
        value=model,
        label="Model",
        allow_custom_value=True,
        info="Or hf:NAME, openai:MODEL@URL, sglang:MODEL@URL, gguf:FILE, reply:MODULE:FUNCTION",
    )
    answer = gradio.Textbox("", label="Answer", info="Empty: the model's own")
    with gradio.Accordion("More", open=False), gradio.Row():
        mask = gradio.Textbox("", label="Left out parts become", info="Empty: deleted")
        method = gradio.Dropdown(_METHODS, value="auto", label="Method")
        target = gradio.Textbox("", label="Stop at R2", info="Such as 0.9")
        system = gradio.Textbox("", label="System message")
        seed = gradio.Textbox("0", label="Seed")
    changed = [content, picture, prompt, unit, score, name]
    kind.change(_shown(gradio), [kind, name], changed)
    more = [mask, method, target, system, seed]
    return [kind, content, picture, prompt, unit, score, answer, name, budget, *more], kind


def _shown(gradio: Any) -> Any:
    """What changes with the kind of input."""

    def change(kind: str, name: str) -> list[Any]:
        of_text = kind == TEXT
        if name in _MODELS:  # the bundled ones: of texts, and of pictures
            name = _MODELS[kind == PICTURE]
        units = {TEXT: "word", PICTURE: "grid:8x6", DOCUMENTS: "document", CHAT: "message"}
        return [
            gradio.update(
                visible=kind != PICTURE, label=kind, info=_HINTS[kind], value=_EXAMPLE * of_text
            ),
            gradio.update(visible=kind == PICTURE),
            gradio.update(value=_PROMPT * of_text, visible=kind != CHAT),
            gradio.update(value=units[kind]),
            gradio.update(value=_SCORES[0] if of_text else "logprob"),
            gradio.update(value=name),
        ]

    return change


def _filled(kind: str, content: str, picture: str | None, *options: Any) -> Form:
    names = (*_OPTIONS, *_MORE)
    # A cleared field is None. White space around a template is no accident, but alone it is empty.
    given = {name: str(value or "") for name, value in zip(names, options, strict=True)}
    return Form(kind, content or "", picture, {k: v for k, v in given.items() if v.strip()})


def _explain_tab(gradio: Any, desk: Desk, model: str) -> Any:
    """The tab where explanations are made; returns what shows that one was saved."""
    with gradio.Row():
        with gradio.Column(scale=2, min_width=320):
            inputs, _ = _form(gradio, model)
            with gradio.Row():
                check = gradio.Button("Check calls and time", size="md", min_width=90)
                begin = gradio.Button("Explain", variant="primary", size="md", min_width=90)
                stop = gradio.Button(
                    "Stop and keep", variant="stop", size="md", interactive=False, min_width=90
                )
        with gradio.Column(scale=3, min_width=320):
            plan = gradio.Textbox(label="Before you start", lines=6, max_lines=14)
            state = gradio.HTML(_status("Nothing asked yet."), elem_id="state")
            with gradio.Row():
                to_json = gradio.DownloadButton("Download JSON", interactive=False, size="sm")
                to_html = gradio.DownloadButton("Download page", interactive=False, size="sm")
    view = gradio.HTML(elem_id="explanation")
    job = gradio.State(None)
    saved = gradio.State(0)  # changes when an explanation was saved

    def examine(*values: Any) -> Iterator[str]:
        yield from _examined(desk, _filled(*values))

    def explain(*values: Any) -> Iterator[list[Any]]:
        busy = [gradio.update(interactive=False), gradio.update(interactive=True)]
        one = desk.start(_filled(*values))
        no_file = gradio.update(value=None, interactive=False)
        yield [one, _progress(one), "", *busy, no_file, no_file, gradio.skip()]
        while not one.wait(_SECONDS):
            yield [one, _progress(one), *[gradio.skip()] * 6]
        files = [
            gradio.update(value=str(path), interactive=True) if one.is_saved else no_file
            for path in (one.entry.json, one.entry.html)
        ]
        shown = _frame(one.entry.page()) if one.is_saved else ""
        idle = [gradio.update(interactive=True), gradio.update(interactive=False)]
        yield [one, _progress(one), shown, *idle, *files, one.entry.name]

    def end(one: Job | None) -> None:
        if one is not None:
            one.stop()

    check.click(examine, inputs, plan)
    outputs = [job, state, view, begin, stop, to_json, to_html, saved]
    begin.click(explain, inputs, outputs, show_progress="hidden")
    stop.click(end, job, None, show_progress="hidden")
    return saved


def _examined(desk: Desk, form: Form) -> Iterator[str]:
    """What a call will do, then what it will cost; or what is wrong with it."""
    told: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            call = Call(form, Entry(Path(folder)), desk.models, told.append)
            plan = call.plan()
            calls = next(number for number, line in enumerate(plan) if line.startswith("At most"))
            # The calls first: units and prompt may be long.
            plan = [*plan[calls : calls + 1], plan[0], *plan[1:calls], *plan[calls + 1 :]]
            yield "\n".join(["Asking the model how long it takes ...", "", *plan])
            yield "\n".join([*call.estimate(), *plan])
        except SpexError as error:
            yield f"Cannot be explained: {error}"


def _progress(job: Job) -> str:
    """How far a job is, and its curve of R2."""
    done, total = (0, 0) if job.progress is None else (job.progress.done, job.progress.total)
    doing = job.messages[-1] if job.messages else "reading the input"
    if job.progress is not None:
        doing = f"{done:,} of {total:,} calls"
        doing += ", fitting" if job.is_fitting else ""
    if job.is_stopping:
        doing += ", stopping after the batch under way"
    if job.is_saved:
        doing = f"Done: {done:,} of {total:,} calls."
    if job.error is not None:
        doing = f"{job.error}"
    bar = f'<progress max="{max(total, 1)}" value="{done}" '
    bar += 'aria-label="Calls" style="width: 100%; accent-color: #0072b2"></progress>'
    picture = curve(job.points, total) if job.progress is not None else ""
    return _status(doing, is_error=job.error is not None) + bar + picture


def _status(text: str, is_error: bool = False) -> str:
    role = "alert" if is_error else "status"
    return f'<p role="{role}" style="margin: 0.3em 0">{html.escape(text)}</p>'


def _frame(page: str) -> str:
    """The page of an explanation, which reaches nothing of the page around it."""
    return (
        '<iframe title="Explanation" sandbox="allow-scripts allow-downloads" '
        f'srcdoc="{html.escape(page)}" '
        'style="width: 100%; height: 85vh; border: 1px solid #8886; border-radius: 8px"></iframe>'
    )


def _saved_tab(gradio: Any, desk: Desk, page: Any, refreshed: Any) -> None:
    def choices(*_: Any) -> list[Any]:
        found = [(one.title, one.name) for one in desk.shelf.entries()]
        return [gradio.update(choices=found), gradio.update(choices=found)]

    def opened(name: str | None) -> list[Any]:
        if not name:
            return ["", gradio.update(interactive=False), gradio.update(interactive=False)]
        try:
            entry = desk.shelf.entry(name)
            files = [
                gradio.update(value=str(p), interactive=True) for p in (entry.json, entry.html)
            ]
            return [_frame(entry.page()), *files]
        except SpexError as error:
            nothing = gradio.update(value=None, interactive=False)
            return [_status(str(error), is_error=True), nothing, nothing]

    def beside(first: str | None, second: str | None) -> str:
        if not first or not second:
            return ""
        try:
            return _status(_compared(desk.shelf.entry(first), desk.shelf.entry(second)))
        except SpexError as error:
            return _status(str(error), is_error=True)

    pickers, views, files = [], [], []
    agreement = gradio.HTML(elem_id="agreement")
    with gradio.Row():
        for label in ("Explanation", "Compare with"):
            with gradio.Column(min_width=320):
                pickers.append(gradio.Dropdown([], label=label, value=None))
                with gradio.Row():
                    files.append(
                        [
                            gradio.DownloadButton(f"Download {what}", interactive=False, size="sm")
                            for what in ("JSON", "page")
                        ]
                    )
                views.append(gradio.HTML())
    for picker, view, buttons in zip(pickers, views, files, strict=True):
        picker.change(opened, picker, [view, *buttons])
        picker.change(beside, pickers, agreement)
    page.load(choices, None, pickers)
    refreshed.change(choices, None, pickers)


def _compared(first: Entry, second: Entry) -> str:
    """What two explanations have in common, in one sentence or two."""
    one, other = load(first.json), load(second.json)
    if not isinstance(one, Explanation) or not isinstance(other, Explanation):
        return "Explanations of several outputs are shown side by side."
    said = f"{facts.fidelity_short(one)} and {facts.fidelity_short(other)}."
    if one.n_features != other.n_features:
        return f"{said} They have {one.n_features} and {other.n_features} units."
    from spex.evaluate.measures.agreement import agreement

    found = agreement(one, other)
    return (
        f"{said} Over all combinations of units they correlate with {found.correlation:.2f}; the "
        f"overlap of their {found.k} largest interactions is {percent(found.overlap)}."
    )

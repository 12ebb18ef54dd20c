"""The page of `spex app`: what a user fills in, watches and opens."""

import html
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from spex.app.checking import Turn
from spex.app.curve import curve
from spex.app.fields import fields, filled
from spex.app.form import Form
from spex.app.job import Job
from spex.app.models import SharedModels
from spex.app.saved import saved_tab
from spex.app.shelf import Shelf
from spex.app.shown import frame, status

_SECONDS = 0.4  # between two polls of a job
_WITH_TIME = "(turn, time, ...values) => [turn, Date.now(), ...values]"
_INTO_SIGHT = (
    "() => document.querySelector('#explanation iframe')?.scrollIntoView({block: 'nearest'})"
)


@dataclass
class Desk:
    """What all sessions share: saved explanations, models, and the running jobs."""

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
            refreshed = _explain_tab(gradio, desk, model, page)
        with gradio.Tab("Saved and compare"):
            saved_tab(gradio, desk.shelf, page, refreshed)
    return page


def _explain_tab(gradio: Any, desk: Desk, model: str, page: Any) -> Any:
    """The tab that makes explanations; returns the state that changes when one is saved."""
    with gradio.Row():
        with gradio.Column(scale=2, min_width=320):
            inputs = fields(gradio, model)
        with gradio.Column(scale=3, min_width=320):
            with gradio.Row():
                check = gradio.Button("Check calls and time", size="md", min_width=90)
                begin = gradio.Button("Explain", variant="primary", size="md", min_width=90)
                stop = gradio.Button(
                    "Stop and keep", variant="stop", size="md", interactive=False, min_width=90
                )
            plan = gradio.Textbox(label="Before you start", lines=2, max_lines=14)
            give_up = gradio.Button("Stop checking", size="sm", visible=False)
            state = gradio.HTML(status("Nothing asked yet."), elem_id="state")
            with gradio.Row():
                to_json = gradio.DownloadButton("Download JSON", interactive=False, size="sm")
                to_html = gradio.DownloadButton("Download page", interactive=False, size="sm")
            view = gradio.HTML(elem_id="explanation")
    job, saved = gradio.State(None), gradio.State(0)  # `saved` changes when an explanation is saved
    outputs = [job, state, view, begin, stop, to_json, to_html, saved]
    _checking(gradio, desk, [check, give_up], inputs, plan)
    _explaining(gradio, desk, page, begin, inputs, outputs)
    stop.click(lambda one: one and one.stop(), job, None, show_progress="hidden")
    return saved


def _checking(gradio: Any, desk: Desk, buttons: list[Any], inputs: list[Any], plan: Any) -> None:
    """The events of a check; the last one requested counts."""
    (check, give_up), turn = buttons, gradio.State(Turn())
    shown, hidden = gradio.update(visible=True), gradio.update(visible=False)

    def examine(turn: Turn, time: float, *values: Any) -> Iterator[list[Any]]:
        form, told = filled(*values), ""
        for told in turn.check(form, time, desk.models):
            yield [told, shown]
        yield [told, hidden] if turn.form is form else [gradio.skip()] * 2

    def changed(turn: Turn, time: float, *values: Any) -> list[Any]:
        # What was typed before the click may arrive after it.
        if turn.form is None or time < turn.time or turn.form == filled(*values):
            return [gradio.skip()] * 2
        return ended(turn, "The form has changed: check again.")

    def ended(turn: Turn, told: str = "The check was stopped.") -> list[Any]:
        turn.form = None
        return [told, hidden]

    done: dict[str, Any] = {"outputs": [plan, give_up], "show_progress": "hidden"}
    time = gradio.Number(0, visible=False)  # time of the event by the browser's clock
    edits, form = [one.change for one in inputs], [turn, time, *inputs]
    often: dict[str, Any] = {"trigger_mode": "multiple", "js": _WITH_TIME, **done}
    check.click(examine, form, **often)
    give_up.click(ended, turn, **done)
    gradio.on(edits, changed, form, **often)


def _explaining(
    gradio: Any, desk: Desk, page: Any, begin: Any, inputs: list[Any], outputs: list[Any]
) -> None:
    """The events of an explanation; a reloaded page shows its own explanation."""
    own = gradio.BrowserState("", storage_key="spex-explanation")

    def explain(*values: Any) -> Iterator[list[Any]]:
        one = desk.start(filled(*values))
        yield from watched(one, one.entry.name)

    def again(name: str) -> Iterator[list[Any]]:
        running = [one for one in desk.jobs if one.entry.name == name and not one.wait(0)]
        if not running:
            yield [gradio.skip()] * 9
        for one in running:
            yield from watched(one, name)

    def watched(one: Job, name: str) -> Iterator[list[Any]]:
        busy = [gradio.update(interactive=False), gradio.update(interactive=True)]
        no_file = gradio.update(value=None, interactive=False)
        yield [one, _progress(one), "", *busy, no_file, no_file, gradio.skip(), name]
        while not one.wait(_SECONDS):
            yield [one, _progress(one), *[gradio.skip()] * 7]
        files = [
            gradio.update(value=str(path), interactive=True) if one.is_saved else no_file
            for path in (one.entry.json, one.entry.html)
        ]
        shown = frame(one.entry.page()) if one.is_saved else ""
        idle = [gradio.update(interactive=True), gradio.update(interactive=False)]
        yield [one, _progress(one), shown, *idle, *files, one.entry.name, ""]

    outputs = [*outputs, own]
    run = begin.click(explain, inputs, outputs, show_progress="hidden")
    run.then(None, js=_INTO_SIGHT)
    page.load(again, own, outputs, show_progress="hidden")


def _progress(job: Job) -> str:
    """How far a job is, and its curve of R2."""
    done, total = (0, 0) if job.progress is None else (job.progress.done, job.progress.total)
    of_level = " of this level" if job.is_zoom else ""
    calls = f"{done:,} of {total:,} calls{of_level}"
    doing = job.messages[-1] if job.messages else "reading the input"
    if job.progress is not None:
        doing = f"{calls}, fitting" if job.is_fitting else calls
    if job.is_stopping:
        doing += ", stopping after the current batch"
    if job.is_saved:
        doing = f"{'Stopped' if job.is_partial else 'Done'}: {calls}. {job.ending}".rstrip()
    if job.error is not None:
        doing = job.error
    share = 100 * done / max(total, 1)
    bar = (
        f'<div role="progressbar" aria-label="Calls" aria-valuemax="{total}" aria-valuenow="{done}"'
        ' style="height: 8px; border-radius: 4px; background: #8885; overflow: hidden">'
        f'<div style="width: {share:.1f}%; height: 100%; background: #2b7fd4"></div></div>'
    )
    picture = curve(job.points, total) if job.progress is not None and not job.is_zoom else ""
    about = f'<p style="margin: 0">{html.escape(job.about)}</p>'
    return about + status(doing, is_error=job.error is not None) + bar + picture

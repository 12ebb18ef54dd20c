"""The page of `spex app`: what a user fills in, watches and opens."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spex.app.curve import curve
from spex.app.fields import fields, filled
from spex.app.form import Form
from spex.app.job import Call, Job
from spex.app.models import SharedModels
from spex.app.saved import saved_tab
from spex.app.shelf import Entry, Shelf
from spex.app.shown import frame, status
from spex.errors import SpexError

_SECONDS = 0.4  # between two looks at a job


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
            saved_tab(gradio, desk.shelf, page, refreshed)
    return page


def _explain_tab(gradio: Any, desk: Desk, model: str) -> Any:
    """The tab where explanations are made; returns what shows that one was saved."""
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
            plan = gradio.Textbox(label="Before you start", lines=6, max_lines=14)
            state = gradio.HTML(status("Nothing asked yet."), elem_id="state")
            with gradio.Row():
                to_json = gradio.DownloadButton("Download JSON", interactive=False, size="sm")
                to_html = gradio.DownloadButton("Download page", interactive=False, size="sm")
    view = gradio.HTML(elem_id="explanation")
    job = gradio.State(None)
    saved = gradio.State(0)  # changes when an explanation was saved

    def examine(*values: Any) -> Iterator[str]:
        yield from _examined(desk, filled(*values))

    def explain(*values: Any) -> Iterator[list[Any]]:
        busy = [gradio.update(interactive=False), gradio.update(interactive=True)]
        one = desk.start(filled(*values))
        no_file = gradio.update(value=None, interactive=False)
        yield [one, _progress(one), "", *busy, no_file, no_file, gradio.skip()]
        while not one.wait(_SECONDS):
            yield [one, _progress(one), *[gradio.skip()] * 6]
        files = [
            gradio.update(value=str(path), interactive=True) if one.is_saved else no_file
            for path in (one.entry.json, one.entry.html)
        ]
        shown = frame(one.entry.page()) if one.is_saved else ""
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
            # Calls and limits first: units and prompt may be long.
            first = [line for line in plan if line.startswith(("At most", "Stops before"))]
            plan = [*first, *(line for line in plan if line not in first)]
            yield "\n".join(["Asking the model how long it takes ...", "", *plan])
            yield "\n".join([*call.estimate(), *plan])
        except SpexError as error:
            yield f"Cannot be explained: {error}"


def _progress(job: Job) -> str:
    """How far a job is, and its curve of R2."""
    done, total = (0, 0) if job.progress is None else (job.progress.done, job.progress.total)
    of_level = " of this level" if job.is_zoom else ""
    doing = job.messages[-1] if job.messages else "reading the input"
    if job.progress is not None:
        doing = f"{done:,} of {total:,} calls{of_level}"
        doing += ", fitting" if job.is_fitting else ""
    if job.is_stopping:
        doing += ", stopping after the batch under way"
    if job.is_saved:
        doing = f"Done: {done:,} of {total:,} calls{of_level}. {job.ending}".rstrip()
    if job.error is not None:
        doing = f"{job.error}"
    share = 100 * done / max(total, 1)
    bar = (
        f'<div role="progressbar" aria-label="Calls" aria-valuemax="{total}" aria-valuenow="{done}"'
        ' style="height: 8px; border-radius: 4px; background: #8885; overflow: hidden">'
        f'<div style="width: {share:.1f}%; height: 100%; background: #2b7fd4"></div></div>'
    )
    picture = curve(job.points, total) if job.progress is not None and not job.is_zoom else ""
    return status(doing, is_error=job.error is not None) + bar + picture

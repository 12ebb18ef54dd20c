"""A check before the start: what a call will do and cost, or its errors."""

import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from spex.app.form import Form
from spex.app.job import Call, Stopped
from spex.app.models import SharedModels
from spex.app.shelf import Entry
from spex.errors import SpexError

_SECONDS = 0.2  # between two polls of a check


@dataclass(eq=False)
class Turn:
    """The form that a page is checking. A later check, or another form, ends an earlier one.

    Args:
        form: Form of the current check; None if there is none.
        time: When it was asked for, in milliseconds of the browser's clock.
    """

    form: Form | None = None
    time: float = 0.0

    def check(self, form: Form, time: float, models: SharedModels) -> Iterator[str]:
        """The findings about a form so far. A check ends when another one begins."""
        self.form, self.time, shown = form, time, None
        check = _Check(form, models, self)
        while self.form is form:
            is_over = check.wait(_SECONDS)
            if check.said != shown and self.form is form:
                yield (shown := check.said)
            if is_over:
                return


class _Check:
    """A running check, in its own thread."""

    def __init__(self, form: Form, models: SharedModels, turn: Turn) -> None:
        self.said = "Reading the form ..."
        self._form, self._models, self._turn = form, models, turn
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def wait(self, seconds: float) -> bool:
        """Wait for its end, at most this long; return whether it has ended."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _go_on(self) -> None:
        if self._turn.form is not self._form:
            raise Stopped

    def _tell(self, message: str) -> None:
        self.said = f"{message[:1].upper()}{message[1:]} ..."

    def _work(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            try:
                call = Call(self._form, Entry(Path(folder)), self._models, self._tell)
                plan = call.plan()
                # Calls and limits first: units and prompt may be long.
                first = [line for line in plan if line.startswith(("At most", "Stops before"))]
                plan = [*first, *(line for line in plan if line not in first)]
                self.said = "\n".join(["Asking the model how long it takes ...", "", *plan])
                self.said = "\n".join([*call.estimate(self._go_on), *plan])
            except Stopped:
                pass
            except SpexError as error:
                told = self._form.worded(str(error), Path(folder))
                self.said = f"Cannot be explained: {told}"
            except Exception as error:  # show a bug on the page too, not only in the terminal
                self.said = f"Cannot be explained: {type(error).__name__}: {error}"
                raise

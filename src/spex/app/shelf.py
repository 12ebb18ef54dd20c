"""The folder of explanations that the app has made, each with its input."""

import math
import os
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import platformdirs

from spex.cli.showing import Result, load
from spex.errors import BackendError, FileFormatError
from spex.explanation import Explanation
from spex.files import write_text
from spex.report import facts
from spex.wording import counted, shorten
from spex.zooming.two_levels import Zoom

_VARIABLE = "SPEX_DATA_DIR"
_JSON, _HTML, _TITLE = "explanation.json", "explanation.html", "title.txt"
_NAME = re.compile(r"\d{8}-\d{6}-\d{6}-[0-9a-f]{6}")


def data_folder() -> Path:
    """The folder for files that are kept: $SPEX_DATA_DIR, else the user's data folder."""
    return Path(os.environ.get(_VARIABLE) or platformdirs.user_data_dir("spex"))


@dataclass(frozen=True)
class Entry:
    """A place in the folder, for a finished or a running explanation."""

    folder: Path

    @property
    def name(self) -> str:
        """Its name: when it was made, and a random number."""
        return self.folder.name

    @property
    def json(self) -> Path:
        """The explanation's file."""
        return self.folder / _JSON

    @property
    def html(self) -> Path:
        """Its page."""
        return self.folder / _HTML

    @property
    def about(self) -> str:
        """The beginning of its input."""
        return self._said[0]

    @property
    def title(self) -> str:
        """Time, subject, model and faithfulness of the explanation."""
        made = datetime.strptime(self.name[:15], "%Y%m%d-%H%M%S")
        return " · ".join(filter(None, [f"{made:%Y-%m-%d %H:%M}", *self._said]))

    @property
    def _said(self) -> list[str]:
        try:
            return (self.folder / _TITLE).read_text(encoding="utf-8").split("\n") or [""]
        except OSError:
            return [""]

    def save(self, found: Result, title: str) -> None:
        """Keep an explanation and its page."""
        write_text(self.folder / _TITLE, f"{title}\n{_details(found)}")
        found.save(self.json)
        found.to_html(self.html)

    def page(self) -> str:
        """The HTML page, made anew where it is missing or older than the explanation.

        Raises:
            FileFormatError: the explanation's file is damaged.
        """
        if not self.html.exists() or self.html.stat().st_mtime < self.json.stat().st_mtime:
            load(self.json).to_html(self.html)
        return self.html.read_text(encoding="utf-8", errors="surrogatepass")


class Shelf:
    """All explanations of a folder, which is made if there is none.

    Raises:
        BackendError: the folder cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise BackendError(
                f"cannot use {folder}: {error.strerror}; set {_VARIABLE} to another folder"
            ) from error

    def new(self) -> Entry:
        """A place for one more."""
        name = f"{datetime.now():%Y%m%d-%H%M%S-%f}-{secrets.token_hex(3)}"
        (self.folder / name).mkdir(mode=0o700)
        return Entry(self.folder / name)

    def entries(self) -> list[Entry]:
        """Those that hold an explanation, the newest first."""
        found = [Entry(path) for path in self.folder.iterdir() if _NAME.fullmatch(path.name)]
        return sorted((one for one in found if one.json.exists()), key=_newest, reverse=True)

    def entry(self, name: str) -> Entry:
        """One by its name.

        Raises:
            FileFormatError: there is none.
        """
        for one in self.entries():
            if one.name == name:
                return one
        raise FileFormatError(f"no explanation {name!r} in {self.folder}; choose another one")


def _details(found: Result) -> str:
    """The model, R2 (of several outputs the lowest) and the evaluations."""
    if isinstance(found, Zoom):
        one, kind = found.coarse, "zoom"
        count = one.n_evaluations + found.fine.n_evaluations
    else:
        ones = [found] if isinstance(found, Explanation) else list(found.values())
        one = min(ones, key=lambda each: math.inf if math.isnan(each.r2) else each.r2)
        kind = "" if math.isnan(one.r2) else f"R2 {facts.rounded_r2(one.r2)}"
        count = one.n_evaluations
    model = shorten(facts.context_text(one, "model") or "", 30)
    return ", ".join(filter(None, [model, kind, counted(count, "call")]))


def _newest(entry: Entry) -> str:
    return entry.name

"""From what was filled in to a request: the options of `spex explain`, read by its own parser."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import typer

from spex.cli.app import app
from spex.cli.command import filled
from spex.cli.explaining.request import Request
from spex.errors import ArgumentError
from spex.files import write_bytes, write_text
from spex.wording import shorten

# click's base class of wrong calls. typer bundles click under different names.
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]

TEXT, PICTURE, DOCUMENTS, CHAT, TABLE = "Text", "Picture", "Documents", "Chat", "Table"
_FILES = {
    TEXT: "text.txt",
    DOCUMENTS: "documents.json",
    CHAT: "messages.json",
    TABLE: "table.csv",
}
_OPTIONS = {
    TEXT: "text",
    DOCUMENTS: "documents",
    CHAT: "messages",
    PICTURE: "image",
    TABLE: "table",
}
# The fields, by the options of `spex explain` that they fill in, in the order of the form.
LABELS = {
    "prompt": "Prompt",
    "unit": "Unit",
    "score": "Score",
    "answer": "Answer",
    "model": "Model",
    "budget": "Budget",
    "max_calls": "Most calls",
    "max_tokens": "Most tokens",
    "max_seconds": "Most seconds",
    "max_cost": "Most dollars",
    "price": "Price",
    "mask": "Left out parts become",
    "zoom": "Zoom",
    "method": "Method",
    "target_r2": "Stop at R2",
    "system": "System message",
    "seed": "Seed",
}
_NAMED = LABELS | {option: kind for kind, option in _OPTIONS.items()} | {"operator": LABELS["mask"]}
_OPTION = re.compile("'?--(" + "|".join(name.replace("_", "-") for name in _NAMED) + r")\b'?")
_ARGUMENT = re.compile("^(" + "|".join(_NAMED) + ")=")


@dataclass(frozen=True)
class Form:
    """What a user has filled in.

    Args:
        kind: What the input is: "Text", "Picture", "Documents", "Chat" or "Table".
        content: A text, the JSON of documents or messages, or the CSV of a table.
        picture: Path of the picture.
        options: Options of `spex explain` by name, as typed, without empty ones.
    """

    kind: str
    content: str
    picture: str | None
    options: Mapping[str, str]

    @property
    def title(self) -> str:
        """The beginning of the input, to recognise it."""
        source = Path(self.picture or "").name if self.kind == PICTURE else self.content
        return shorten(" ".join(source.split()), 40) or self.kind

    def arguments(self, folder: Path) -> list[str]:
        """Arguments of the command line; the input is written into a folder.

        Raises:
            ArgumentError: there is no input, or the folder cannot be written to.
        """
        if self.kind not in _OPTIONS:
            raise ArgumentError(f"input {self.kind!r}; choose one of {', '.join(_OPTIONS)}")
        if self.kind == PICTURE:
            if self.picture is None:
                raise ArgumentError("Picture: there is none; load one")
            source = Path(self.picture)
            path = folder / f"picture{source.suffix.lower()}"
            try:
                content = source.read_bytes()
            except OSError as error:
                raise ArgumentError(
                    f"Picture: cannot be read: {error.strerror}; load it again"
                ) from error
            write_bytes(path, content)
        else:
            if not self.content.strip():
                raise ArgumentError(f"{self.kind}: is empty; paste it, or load a file")
            path = folder / _FILES[self.kind]
            # The command line drops the final line break, and so reads the text as it was pasted.
            write_text(path, self.content + "\n")
        given = {_OPTIONS[self.kind]: str(path), **self.options}
        # With "=", so that a value is never read as an option.
        return [f"--{name.replace('_', '-')}={value}" for name, value in given.items() if value]

    def worded(self, message: str, folder: Path) -> str:
        """A message of the command line in words of the form: fields for its options and files."""
        message = _OPTION.sub(lambda found: _NAMED[found[1].replace("-", "_")], message)
        message = message.removeprefix("Invalid value for ")
        message = _ARGUMENT.sub(lambda found: f"{_NAMED[found[1]]} ", message)
        file = re.escape(str(folder)) + r"/\w+(\.\w+)?"
        message = re.sub(f"(image|{self.kind}) {file}", self.kind, message)
        message = re.sub(f": cannot identify image file '{file}'", "", message)
        return re.sub(file, self.kind, message)


def request_of(arguments: list[str]) -> Request:
    """The request of `spex explain` with these arguments.

    Raises:
        ArgumentError: an argument is wrong.
    """
    command = typer.main.get_command(app).commands["explain"]  # type: ignore[attr-defined]
    try:
        options = command.make_context("explain", list(arguments)).params
    except _UsageError as error:
        raise ArgumentError(error.format_message()) from error  # type: ignore[attr-defined]
    return filled(Request, options)

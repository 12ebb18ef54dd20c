"""What `spex explain` explains: from the options that name a file to a masker."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from spex.errors import ArgumentError
from spex.values.documents import Documents
from spex.values.image import Image
from spex.values.messages import Messages
from spex.values.text import Text

if TYPE_CHECKING:
    from spex.cli.explaining import Request

AnyMasker: TypeAlias = Text | Documents | Messages | Image


def source(request: "Request") -> tuple[str, str]:
    """The option that names the input, and the file; "-" is standard input.

    Raises:
        ArgumentError: none is given, or several.
    """
    files = {
        "--text": request.text,
        "--documents": request.documents,
        "--messages": request.messages,
        "--image": request.image,
    }
    given = [(option, file) for option, file in files.items() if file is not None]
    if len(given) != 1:
        raise ArgumentError("give exactly one of --text, --documents, --messages and --image")
    return given[0]


def read_masker(request: "Request") -> AnyMasker:
    """The input, with its units, operator and prompt.

    Raises:
        ArgumentError: the call is wrong, or the file cannot be read as what it should be.
        MissingExtraError: a library that the unit needs is not installed.
    """
    option, file = source(request)
    if option == "--image":
        return Image(
            file,
            unit=request.unit or "grid:8x8",
            operator=request.mask or "mean",
            prompt=request.prompt or "",
            system=request.system,
        )
    content = _read(option, file)
    operator = request.mask or "delete"
    if option == "--text":
        # Files of text end with a line break that their author does not think of as text.
        return Text(
            content.removesuffix("\n").removesuffix("\r"),
            unit=request.unit or "word",
            operator=operator,
            prompt=request.prompt,
            system=request.system,
        )
    if option == "--documents":
        documents, others = _list_in(content, option, file, "documents", {"question"})
        return Documents(
            documents,
            question=others.get("question"),
            unit=request.unit or "document",
            operator=operator,
            prompt=request.prompt,
            system=request.system,
        )
    for name, value in (("--prompt", request.prompt), ("--system", request.system)):
        if value is not None:
            raise ArgumentError(f"{name}: the messages of --messages are the whole prompt")
    messages, _ = _list_in(content, option, file, "messages", set())
    return Messages(messages, unit=request.unit or "message", operator=operator)


def _read(option: str, file: str) -> str:
    """The content of a file, or of standard input for "-"."""
    name = "standard input" if file == "-" else file
    try:
        content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise ArgumentError(
            f"{option} {name}: cannot be read: {error.strerror or error}"
        ) from error
    try:
        # Some editors begin a file with a byte order mark, which is no part of the text.
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ArgumentError(
            f"{option} {name}: is not UTF-8 (byte {error.start}); convert it first"
        ) from error
    if not text.strip():
        raise ArgumentError(f"{option} {name}: is empty")
    return text


def _list_in(
    text: str, option: str, file: str, key: str, also: set[str]
) -> tuple[list[Any], dict[str, Any]]:
    """A JSON list, or the one under a key of an object, and the object's other entries."""
    try:
        content = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ArgumentError(f"{option} {file}: is not JSON ({error})") from None
    others: dict[str, Any] = {}
    if isinstance(content, dict):
        others = {name: value for name, value in content.items() if name != key}
        if unknown := set(others) - also:
            valid = ", ".join(repr(name) for name in sorted({key, *also}))
            raise ArgumentError(
                f"{option} {file}: has the unknown key {min(map(repr, unknown))}; use {valid}"
            )
        content = content.get(key)
    if not isinstance(content, list):
        raise ArgumentError(
            f"{option} {file}: holds no list of {key}; write a JSON list, or an object with the "
            f"key {key!r}"
        )
    return content, others

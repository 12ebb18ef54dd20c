"""The input of `spex explain`: from the options that name a file to a masker."""

import json
import sys
from collections.abc import Collection, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from spex.cli.csv_table import parse, typed
from spex.cli.explaining.prompt_parts import check_options, template_of
from spex.errors import ArgumentError
from spex.inputs.composite import Composite
from spex.inputs.documents import Documents
from spex.inputs.image import Image
from spex.inputs.messages import Messages
from spex.inputs.prompt_template import PromptTemplate
from spex.inputs.table import Table
from spex.inputs.text import Text
from spex.inputs.traces.agent import Agent
from spex.inputs.traces.reasoning import Reasoning
from spex.inputs.traces.requests import read_request
from spex.wording import counted, short

if TYPE_CHECKING:
    from spex.cli.explaining.request import Request

AnyMasker: TypeAlias = (
    Text | Documents | Messages | Reasoning | Agent | Image | Table | Composite | PromptTemplate
)

# Names of pandas types for people who do not know them. An object is a truth value or NaN.
_KINDS = {
    "int64": "integers",
    "float64": "numbers",
    "bool": "true or false",
    "object": "true, false or missing",
}
_SHOWN_COLUMNS = 20
_MOST_BYTES = 5 * 10**8  # a table of 16,384 features and 15,000 rows; a device may have no end
_OF_PICTURES = ("grid:", "superpixels:", "mean", "grey", "blur", "inpaint")


def sources(request: "Request") -> dict[str, str]:
    """The options that name the input, and their files; "-" is standard input.

    Raises:
        ArgumentError: none is given, or several that do not go together.
    """
    if request.prompt_parts is not None:
        check_options(request)
        return {"--prompt-parts": request.prompt_parts, "--data": str(request.data)}
    files = {
        "--text": request.text,
        "--documents": request.documents,
        "--messages": request.messages,
        "--reasoning": request.reasoning,
        "--trace": request.trace,
        "--agent": request.agent,
        "--inspect-log": request.inspect_log,
        "--image": request.image,
        "--table": request.table,
    }
    given = {option: file for option, file in files.items() if file is not None}
    pairs = ({"--text", "--image"}, {"--reasoning", "--trace"})
    if (len(given) != 1 and set(given) not in pairs) or set(given) == {"--trace"}:
        raise ArgumentError(
            "give exactly one of --text, --documents, --messages, --reasoning, --agent, "
            "--inspect-log, --image, --table and --data, or --image with --text"
        )
    if request.question is not None and "--documents" not in given:
        raise ArgumentError(
            "--question: goes with --documents only; write the question into --prompt"
        )
    return given


def read_masker(request: "Request") -> AnyMasker:
    """The input, with its units, operator and prompt.

    Raises:
        ArgumentError: the call is wrong, or the file cannot be read as what it should be.
        MissingExtraError: a library that the unit needs is not installed.
    """
    given = sources(request)
    if "--prompt-parts" in given:
        file = given["--prompt-parts"]
        content = read_file(f"--prompt-parts {file}", file)
        return template_of(request, list_in(content, "--prompt-parts", file, "parts", set())[0])
    if "--table" in given:
        for name, value in (
            ("--unit", request.unit),
            ("--mask", request.mask),
            ("--prompt", request.prompt),
            ("--system", request.system),
        ):
            if value:
                raise ArgumentError(f"{name}: does not go with --table; leave it out")
        return _read_table(request, given["--table"])
    for name, texts in (("--missing", request.missing), ("--group", request.group)):
        if texts:
            raise ArgumentError(f"{name}: goes with --table only; leave it out")
    if len(given) > 1:
        image_unit, text_unit = _by_input("--unit", request.unit)
        image_mask, text_mask = _by_input("--mask", request.mask)
        image = Image(
            given["--image"], unit=image_unit or "grid:8x8", operator=image_mask or "mean"
        )
        text = _read_text(request, "--text", given["--text"], text_unit, text_mask)
        return Composite(image, text)
    ((option, file),) = given.items()
    unit, mask = only("--unit", request.unit), only("--mask", request.mask)
    if option == "--image":
        return Image(
            file,
            unit=unit or "grid:8x8",
            operator=mask or "mean",
            prompt=request.prompt or "",
            system=request.system,
        )
    return _read_text(request, option, file, unit, mask)


def only(option: str, values: Sequence[str]) -> str | None:
    """The one value of an option.

    Raises:
        ArgumentError: there are several.
    """
    if len(values) > 1:
        raise ArgumentError(
            f"{option}: give it once; two are for --image with --text and for --reasoning"
        )
    return values[0] if values else None


def _by_input(option: str, values: Sequence[str]) -> tuple[str | None, str | None]:
    """The values for the picture and for the text."""
    found: dict[str, str] = {}
    for value in values:
        what = "picture" if value.startswith(_OF_PICTURES) else "text"
        if what in found:
            raise ArgumentError(f"{option}: {found[what]} and {value} are both for the {what}")
        found[what] = value
    return found.get("picture"), found.get("text")


def _read_table(request: "Request", file: str) -> Table:
    header, rows = parse(read_file(f"--table {file}", file), f"--table {file}")
    if len(rows) < 2:
        raise ArgumentError(
            f"--table {file}: has {counted(len(rows), 'row')} under its header; give the row to "
            "explain and, under it, one or more rows with values for absent cells"
        )
    groups: dict[str, list[str]] = {}
    for text in request.group:
        name, _, columns = text.partition("=")
        if not (name and columns) or name in groups:
            raise ArgumentError(f"--group {text!r}: write NAME=COLUMN,COLUMN, each NAME once")
        groups[name] = columns.split(",")
    frame = typed(header, rows, request.missing)
    return Table(frame.iloc[:1], frame.iloc[1:], groups)


def types_read(masker: AnyMasker) -> list[str]:
    """A line that says how the columns of a table were read; none for other inputs."""
    if not isinstance(masker, Table):
        return []
    names: dict[str, list[str]] = {}
    for column, dtype in masker.background.dtypes.items():
        names.setdefault(_KINDS.get(str(dtype), "texts"), []).append(short(str(column)))
    told = [
        f"{kind}: {', '.join(of[:_SHOWN_COLUMNS])}"
        + (f" and {len(of) - _SHOWN_COLUMNS:,} more" if len(of) > _SHOWN_COLUMNS else "")
        for kind, of in names.items()
    ]
    return [f"Read as {'; '.join(told)}"]


def _read_text(
    request: "Request", option: str, file: str, unit: str | None, mask: str | None
) -> Text | Documents | Messages:
    content = read_file(f"{option} {file}", file)
    operator = mask or "delete"
    if option == "--text":
        # Text files end with a line break that their author does not count as text.
        return Text(
            content.removesuffix("\n").removesuffix("\r"),
            unit=unit or "word",
            operator=operator,
            prompt=request.prompt,
            system=request.system,
        )
    if option == "--documents":
        documents, others = list_in(content, option, file, "documents", {"question"})
        question = others.get("question")
        if question is not None and request.question is not None:
            raise ArgumentError(f"--question: {file} holds a question; leave one of the two out")
        return Documents(
            documents,
            question=request.question if question is None else question,
            unit=unit or "document",
            operator=operator,
            prompt=request.prompt,
            system=request.system,
        )
    for name, value in (("--prompt", request.prompt), ("--system", request.system)):
        if value is not None:
            raise ArgumentError(
                f"{name}: the messages of --messages are the whole prompt; leave it out"
            )
    chat = chat_in(content, f"{option} {file}")
    return Messages(chat, unit=unit or "message", operator=operator)


def read_file(where: str, file: str) -> str:
    """The text of a file, or of standard input for "-"; `where` names it in messages.

    Raises:
        ArgumentError: it cannot be read, is too large, is not UTF-8 or is empty.
    """
    try:
        with nullcontext(sys.stdin.buffer) if file == "-" else Path(file).open("rb") as stream:
            content = stream.read(_MOST_BYTES + 1)
    except OSError as error:
        raise ArgumentError(f"{where}: cannot be read: {error.strerror or error}") from error
    if len(content) > _MOST_BYTES:
        raise ArgumentError(
            f"{where}: is larger than {_MOST_BYTES // 10**6} MB, the limit; is it the right file?"
        )
    try:
        # Some editors begin a file with a byte order mark, which does not belong to the text.
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ArgumentError(
            f"{where}: is not UTF-8 (byte {error.start}); convert it first"
        ) from error
    if not text.strip():
        raise ArgumentError(f"{where}: is empty")
    return text


def chat_in(text: str, where: str, also: Collection[str] = ()) -> Any:
    """A list of messages in JSON, or a saved request; `where` names the file in messages.

    Raises:
        ArgumentError: the text is neither.
    """
    content = _json(text, where)
    if isinstance(content, list):
        return content
    return read_request(content if isinstance(content, dict) else {}, where, also)


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:  # also an integer of thousands of digits
        raise ArgumentError(f"{where}: is not JSON ({error})") from None


def list_in(
    text: str, option: str, file: str, key: str, also: set[str]
) -> tuple[list[Any], dict[str, Any]]:
    """A JSON list, or the one under a key of an object, and the object's other entries.

    Raises:
        ArgumentError: the text is neither.
    """
    content = _json(text, f"{option} {file}")
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

"""What `spex explain` was asked for: its options, and what their texts mean."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from spex.cli.showing import Shown
from spex.errors import ArgumentError, FileFormatError
from spex.saving import REMEDY
from spex.settings import Settings
from spex.values.faults import Faults
from spex.values.limits import Limits
from spex.wording import shorten

_OF_ONE_CALL: dict[str, Any] = {
    "dry_run": False, "shown": None, "max_calls": None, "max_tokens": None, "max_seconds": None,
    "max_cost": None, "max_gaps": 0.0, "timeout": None,
}  # fmt: skip
# Of the fields, as they are annotated: the type in JSON, and whether it may be missing.
_KINDS: dict[Any, tuple[type, bool]] = {
    str: (str, False),
    int: (int, False),
    bool: (bool, False),
    str | None: (str, True),
    int | None: (int, True),
    float | None: (float, True),
    Path | None: (str, True),
    tuple[str, ...]: (list, True),
}


@dataclass(frozen=True)
class Request:
    """The options of `spex explain`, as typed; see its help."""

    text: str | None
    documents: str | None
    question: str | None
    messages: str | None
    reasoning: str | None
    trace: str | None
    answer_cue: str | None
    agent: str | None
    inspect_log: str | None
    sample: str | None
    epoch: int | None
    turn: int | None
    image: str | None
    table: str | None
    data: str | None
    prompt_parts: str | None
    missing: tuple[str, ...]
    group: tuple[str, ...]
    prompt: str | None
    system: str | None
    model: str | None
    price: str | None
    device: str | None
    device_map: str | None
    dtype: str | None
    attn_implementation: str | None
    threads: int | None
    chat_template_kwargs: str | None
    answer_prefix: str | None
    scoring_check: str | None
    unit: tuple[str, ...]
    mask: tuple[str, ...]
    zoom: str | None
    score: str
    answer: str | None
    max_new_tokens: int | None
    budget: int
    target_r2: float | None
    method: str
    max_degree: int
    weighting: str
    seed: int
    store: Path | None
    no_store: bool
    retries: int
    engine: str | None
    dry_run: bool
    shown: Shown
    max_calls: int | None
    max_tokens: int | None
    max_seconds: float | None
    max_cost: float | None
    max_gaps: float
    timeout: float | None

    @classmethod
    def of(cls, options: Mapping[str, Any], shown: Shown) -> "Request":
        """From the options of the command, by name; those given several times as tuples."""
        named = {one.name: options[one.name] for one in fields(cls) if one.name != "shown"}
        several = {name: tuple(named[name] or ()) for name in ("missing", "group", "unit", "mask")}
        return cls(**named | several, shown=shown)

    def to_json(self) -> dict[str, Any]:
        """The options that are given, as JSON content; those of this call alone are left out."""
        content: dict[str, Any] = {}
        for one in fields(self):
            value = getattr(self, one.name)
            if one.name in _OF_ONE_CALL or value is None or value == ():
                continue
            is_path, is_several = isinstance(value, Path), isinstance(value, tuple)
            content[one.name] = str(value) if is_path else list(value) if is_several else value
        return content

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Request":
        """Undo `to_json`, of a file that anybody may have written.

        Raises:
            FileFormatError: it is something else.
        """
        options: dict[str, Any] = dict(_OF_ONE_CALL)
        for one in fields(cls):
            if one.name in _OF_ONE_CALL:
                continue
            value, (kind, is_optional) = content.get(one.name), _KINDS[one.type]
            if value is None and is_optional:
                options[one.name] = value
            elif type(value) is kind or (kind is float and type(value) is int):
                options[one.name] = Path(str(value)) if one.name == "store" else value
            else:
                raise FileFormatError(
                    f"damaged at context.request.{one.name}: {shorten(repr(value))} is no "
                    f"{kind.__name__}; {REMEDY}"
                )
        return cls.of(options, Shown(None, None, 0, None, None))

    @property
    def model_options(self) -> dict[str, Any]:
        """What `spex.models.load` is called with, beside the model's name."""
        names = (
            "device", "device_map", "dtype", "attn_implementation", "threads", "answer_prefix",
            "scoring_check",
        )  # fmt: skip
        given = {name: value for name in names if (value := getattr(self, name)) is not None}
        if self.chat_template_kwargs is not None:
            given["chat_template_kwargs"] = parse_variables(self.chat_template_kwargs)
        return given if self.price is None else {**given, "price": parse_price(self.price)}

    @property
    def limits(self) -> Limits:
        """What the call may cost.

        Raises:
            ArgumentError: a limit is no positive number.
        """
        try:
            return Limits(self.max_calls, self.max_tokens, self.max_seconds, self.max_cost)
        except ArgumentError as error:  # it begins with the name of the limit
            raise ArgumentError(f"--max-{error}") from None

    @property
    def faults(self) -> Faults | None:
        """What is borne of a model that fails; None for nothing.

        Raises:
            ArgumentError: --max-gaps or --timeout is wrong.
        """
        if not self.max_gaps and self.timeout is None:
            return None
        try:
            return Faults(self.retries, self.max_gaps, self.timeout)
        except ArgumentError as error:  # it begins with the name
            option = {"gaps": "--max-gaps", "timeout": "--timeout"}
            name, _, rest = str(error).partition("=")
            raise ArgumentError(f"{option.get(name, name)}={rest}") from None

    def settings(self, n_features: int) -> Settings:
        """The settings of a run over so many features, checked.

        Raises:
            ArgumentError: a setting is wrong.
        """
        return Settings(
            n_features,
            self.budget,
            self.method,
            self.max_degree,
            self.seed,
            self.target_r2,
            self.weighting,
        )


def parse_variables(variables: str) -> dict[str, Any]:
    """The variables that `--chat-template-kwargs` gives.

    Raises:
        ArgumentError: they are no JSON object.
    """
    try:
        read = json.loads(variables)
    except (ValueError, RecursionError):
        read = None
    if not isinstance(read, dict):
        raise ArgumentError(
            f"--chat-template-kwargs {variables!r}: write a JSON object, such as "
            '{"enable_thinking": false}'
        )
    return read


def parse_price(price: str) -> tuple[float, float]:
    """The price that `--price` names: dollars per million tokens read and written.

    Raises:
        ArgumentError: it is not two numbers.
    """
    try:
        read, written = map(float, price.split(","))
    except ValueError:
        read = written = -1.0
    if not (0 <= read < math.inf and 0 <= written < math.inf):
        raise ArgumentError(
            f"--price {price!r}: write dollars per million tokens read and written, such as "
            "0.15,0.60"
        )
    return read, written

"""What `spex explain` was asked for: its options, and what their texts mean."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_type_hints

from spex.cli.explaining.options import Options
from spex.cli.showing import Shown
from spex.errors import ArgumentError, FileFormatError
from spex.saving import REMEDY
from spex.settings import Settings
from spex.values.faults import Faults
from spex.values.limiting.limits import Limits
from spex.wording import shorten

_OF_ONE_CALL = frozenset((
    "dry_run", "quiet", "index", "order", "top", "out", "html", "max_calls", "max_tokens",
    "max_seconds", "max_cost", "max_gaps", "timeout",
))  # fmt: skip
# For the other fields, by their types: the type in JSON, and whether it may be missing.
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


@dataclass(frozen=True, kw_only=True)
class Request(Options):
    """The options of `spex explain`, and what their texts mean."""

    @property
    def shown(self) -> Shown:
        """What is shown of the explanation, and where it goes."""
        return Shown(self.index, self.order, self.top, self.out, self.html)

    @property
    def of_run(self) -> dict[str, Any]:
        """The settings of a run but its budget and its target."""
        return {
            "method": self.method,
            "max_degree": self.max_degree,
            "seed": self.seed,
            "weighting": self.weighting,
        }

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
        options: dict[str, Any] = {}
        for name, kind_here in get_type_hints(cls).items():
            if name in _OF_ONE_CALL:
                continue
            value: Any = content.get(name)
            kind, is_optional = _KINDS[kind_here]
            if value is None and is_optional:
                value = () if kind is list else None
            elif type(value) is not kind and not (kind is float and type(value) is int):
                raise FileFormatError(
                    f"damaged at context.request.{name}: {shorten(repr(value))} is no "
                    f"{kind.__name__}; {REMEDY}"
                )
            is_path, is_several = name == "store" and value is not None, kind is list
            options[name] = Path(value) if is_path else tuple(value) if is_several else value
        return cls(**options)

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
        except ArgumentError as error:  # its message begins with the name of the limit
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
        except ArgumentError as error:  # its message begins with the name
            option = {"gaps": "--max-gaps", "timeout": "--timeout"}
            name, _, rest = str(error).partition("=")
            raise ArgumentError(f"{option.get(name, name)}={rest}") from None

    def settings(self, n_features: int) -> Settings:
        """The settings of a run over this many features, checked.

        Raises:
            ArgumentError: a setting is wrong.
        """
        return Settings(n_features, self.budget, target_r2=self.target_r2, **self.of_run)


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

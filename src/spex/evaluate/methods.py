"""The methods of attribution by name, those of spex and those of other packages."""

from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from types import MappingProxyType
from typing import TYPE_CHECKING

from spex.errors import ArgumentError
from spex.evaluate.baselines import BASELINES
from spex.evaluate.baselines.baseline import Baseline
from spex.evaluate.gradients import GRADIENTS, OfModel
from spex.evaluate.method import Method
from spex.evaluate.ours import OURS, Explained
from spex.wording import did_you_mean

if TYPE_CHECKING:
    import pandas as pd

_ALL: tuple[Baseline | Explained, ...] = (*OURS, *BASELINES)
METHODS: Mapping[str, Baseline | Explained] = MappingProxyType(
    {method.name: method for method in _ALL}
)
_OF_MODEL: Mapping[str, OfModel] = MappingProxyType({one.name: one for one in GRADIENTS})


def methods(names: str | Sequence[str]) -> tuple[Method, ...]:
    """Methods by their names.

    Args:
        names: A sequence, or one string with commas: `"auto,lime,kernelshap"`.

    Returns:
        As many, in the order of the names.

    Raises:
        ArgumentError: a name is not known or comes twice, or there is none.
    """
    found = []
    for method in methods_named(names):
        if isinstance(method, OfModel):
            raise ArgumentError(
                f"{method.name} needs the model, not a function on masks: use "
                f"spex.evaluate.gradients.{type(method).__name__}().attribute(value)"
            )
        found.append(method)
    return tuple(found)


def methods_named(names: str | Sequence[str]) -> list[Method | OfModel]:
    """Methods by their names: those that ask for masks, and those that need the model itself.

    Args:
        names: A sequence, or one string with commas.

    Raises:
        ArgumentError: a name is not known or comes twice, or there is none.
    """
    if not isinstance(names, str | Sequence):
        raise ArgumentError(f"methods={names!r}; give names, such as 'auto,lime'")
    parts = names.split(",") if isinstance(names, str) else list(names)
    wanted = [part.strip().casefold() if isinstance(part, str) else part for part in parts]
    wanted = [name for name in wanted if name != ""]
    known: dict[str, Method | OfModel] = {**METHODS, **_OF_MODEL}
    if not wanted:
        raise ArgumentError(f"no method is named; choose from {', '.join(known)}")
    for name in wanted:
        if name not in known:
            close = did_you_mean(name, known)
            raise ArgumentError(f"no method {name!r}{close}; choose from {', '.join(known)}")
        if wanted.count(name) > 1:
            raise ArgumentError(f"method {name!r} is named twice")
    return [known[name] for name in wanted]


def installed_version(method: Method | OfModel) -> str | None:
    """Version of the package that does the work of a method; None if it is not installed."""
    try:
        return version(method.package)
    except PackageNotFoundError:
        return None


def capabilities() -> "pd.DataFrame":
    """What each method can do, one row for each.

    Returns:
        A frame with these columns:

        - `method`, `package`
        - `version`: "" if the package is not installed
        - `order`: the highest order; "any" if there is no limit
        - `gives`: `surrogate` for a fit of the values, or the index that the method estimates
        - `masks`: `shared` if all such methods get the same masks, `own` if the method draws its
          own, `none` if it needs the model itself
        - `stops`: the smallest budget or the largest n, and why
        - `spends`: `budget` if it uses all of the budget, or what it uses
    """
    import pandas as pd

    def row(method: Baseline | Explained | OfModel, **facts: str) -> dict[str, str]:
        return {
            "method": method.name,
            "package": method.package,
            "version": installed_version(method) or "",
            "order": "any" if method.order is None else str(method.order),
            **facts,
        }

    on_masks = [
        row(
            method,
            gives=method.gives,
            masks="shared" if method.takes_masks else "own",
            stops=method.limit,
            spends=method.spends or "budget",
        )
        for method in METHODS.values()
    ]
    of_model = [
        row(
            method,
            gives="gradient",
            masks="none",
            stops="local models of transformers and texts",
            spends=method.passes,
        )
        for method in GRADIENTS
    ]
    return pd.DataFrame([*on_masks, *of_model])

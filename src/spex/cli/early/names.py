"""Checks of names before anything heavy loads, so that a typo is reported within a second."""

from typing import TYPE_CHECKING

from spex.errors import ArgumentError
from spex.wording import did_you_mean

if TYPE_CHECKING:
    from spex.cli.explaining.options import Options

# Copies of the names in `spex.fitting.methods` and `spex.fourier.mask_distribution`: these load
# numba.
METHODS = ("auto", "exact", "gp", "linear", "proxyspex", "spex")
WEIGHTINGS = ("uniform", "shapley")
# Copies of the names in `spex.plots`, which loads numpy and more.
PLOTS = ("bar", "heatmap", "image", "learning_curve", "network", "text", "upset", "waterfall")
# Options of texts whose units have their own names.
_ALSO = {"documents": "document", "messages": "message", "reasoning": "step", "agent": "part"}
_OF_PICTURES = ("grid", "superpixels", "mean", "grey", "blur", "inpaint")


def check_settings(method: str, weighting: str, index: str | None) -> None:
    """Refuse unknown methods, weightings and indices.

    Raises:
        ArgumentError: a name is not known.
    """
    for option, name, valid in (("method", method, METHODS), ("weighting", weighting, WEIGHTINGS)):
        if name not in valid:
            close = did_you_mean(name, valid)
            raise ArgumentError(
                f"{option}={name!r} is unknown{close}; choose one of {', '.join(valid)}"
            )
    check_index(index)


def check_index(index: str | None) -> None:
    """Refuse an unknown index.

    Raises:
        ArgumentError: the name is not known.
    """
    if index is not None:
        from spex.interactions.index import InteractionIndex

        InteractionIndex.parse(index)


def check_plot(kind: str) -> None:
    """Refuse an unknown plot.

    Raises:
        ArgumentError: the name is not known.
    """
    if kind not in PLOTS:
        close = did_you_mean(kind, PLOTS)
        raise ArgumentError(f"--plot {kind!r} is unknown{close}; use one of {', '.join(PLOTS)}")


def check_explain(options: "Options", has_own_loader: bool) -> None:
    """Refuse unknown names in the options of `spex explain`.

    Args:
        options: As typed.
        has_own_loader: Whether a loader other than `spex.models.load` knows the models.

    Raises:
        ArgumentError: a name is not known.
    """
    check_settings(options.method, options.weighting, options.index)
    if options.table is None:  # a table takes no units; its own error says so
        _check_units(options)
    model = options.model or "smollm2"
    if not has_own_loader and not model.startswith(("predict:", "efficientnet-lite0")):
        from spex.models import check_name
        from spex.models.servers.address import refuse_secret

        refuse_secret(model)  # first, because messages show the name
        check_name(model)
    from spex.scores.parsing import parse_score

    parse_score(options.score, options.answer, options.max_new_tokens)


def _check_units(options: "Options") -> None:
    """Refuse units and operators that no input knows. Later checks test whether they fit."""
    from spex.inputs.operators import parse_operator
    from spex.inputs.segmentation import parse_unit

    is_picture = options.image is not None
    is_text = any(getattr(options, name) is not None for name in ("text", *_ALSO))
    also = next((unit for name, unit in _ALSO.items() if getattr(options, name)), None)
    units, operators = options.unit, options.mask
    if not (is_picture and is_text) and max(len(units), len(operators)) > 1:
        return  # a later check reports too many

    def is_of_picture(name: str) -> bool:
        return is_picture and (not is_text or name.startswith(_OF_PICTURES))

    for unit in units:
        if is_text and not is_of_picture(unit):
            parse_unit(unit, also)
    for operator in operators:
        if is_text and not is_of_picture(operator):
            parse_operator(operator)
    if is_picture:
        from spex.inputs.image import check_names

        check_names(list(filter(is_of_picture, units)), list(filter(is_of_picture, operators)))

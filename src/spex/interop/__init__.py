"""With the packages `shapiq`, `shap` and `inspect_ai`.

With shapiq and shap: their result types, and spex as an approximator of shapiq. Of inspect_ai:
samples of its logs.

`Explanation.to_shapiq` and `Explanation.to_shap` give what the plots of those packages take;
`from_shapiq` and `from_shap` make an explanation of what those packages have found.
`ShapiqApproximator` is spex where shapiq asks for an approximator. The other way, `spex.explain`
takes a `shapiq.Game` as it is.
Neither package is needed until one of these is used.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spex.interop.approximator import ShapiqApproximator
    from spex.interop.inspect_log import InspectSample, read_inspect_sample
    from spex.interop.shap_values import from_shap
    from spex.interop.shapiq_values import from_shapiq

__all__ = [
    "InspectSample",
    "ShapiqApproximator",
    "from_shap",
    "from_shapiq",
    "read_inspect_sample",
]


def __getattr__(name: str) -> Any:
    if name == "ShapiqApproximator":
        from spex.interop.approximator import ShapiqApproximator

        return ShapiqApproximator
    if name == "from_shap":
        from spex.interop.shap_values import from_shap

        return from_shap
    if name == "from_shapiq":
        from spex.interop.shapiq_values import from_shapiq

        return from_shapiq
    if name in __all__:
        from spex.interop import inspect_log

        return getattr(inspect_log, name)
    raise AttributeError(f"module 'spex.interop' has no attribute {name!r}")

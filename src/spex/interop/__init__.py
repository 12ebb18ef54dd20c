"""With the packages `shapiq` and `shap`: their result types, and spex as an approximator of shapiq.

`Explanation.to_shapiq` and `Explanation.to_shap` give what the plots of those packages take;
`ShapiqApproximator` is spex where shapiq asks for an approximator. The other way, `spex.explain`
takes a `shapiq.Game` as it is. Neither package is needed until one of these is used.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spex.interop.approximator import ShapiqApproximator

__all__ = ["ShapiqApproximator"]


def __getattr__(name: str) -> Any:
    if name == "ShapiqApproximator":
        from spex.interop.approximator import ShapiqApproximator

        return ShapiqApproximator
    raise AttributeError(f"module 'spex.interop' has no attribute {name!r}")

"""`spex plan`: what a budget buys and recovers, before a single call of a model."""

from spex.cli.session import Session, console
from spex.planning.plan import plan


def run(session: Session, n_features: int, budget: int, max_degree: int, noise: float) -> None:
    """Print a plan.

    Raises:
        ArgumentError: an argument is out of range.
    """
    with session.interruptible():
        made = plan(n_features, budget, max_degree, noise)
        console().print(str(made))

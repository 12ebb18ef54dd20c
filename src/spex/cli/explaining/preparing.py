"""A call of `spex explain`, checked before its model is loaded."""

import dataclasses
import functools
from pathlib import Path
from typing import TYPE_CHECKING

from spex.cli.explaining.deferred import Deferred, function_of
from spex.cli.explaining.functions import (
    Function,
    check_function,
    check_import,
    check_retries,
    is_own,
    make_function,
    model_name,
    price_of,
)
from spex.cli.explaining.inputs import AnyMasker, sources
from spex.cli.explaining.prompt_parts import allocated
from spex.cli.explaining.request import Request
from spex.cli.explaining.stores import check_store, open_store
from spex.cli.explaining.traces import read_input, written
from spex.cli.session import Session, check_files
from spex.engines.ray import engine_of
from spex.errors import ArgumentError
from spex.inputs.documents import Documents
from spex.inputs.messages import Messages
from spex.inputs.prompt_template import PromptTemplate
from spex.inputs.text import Text
from spex.models.servers.address import refuse_secret
from spex.values.retrying import Retries
from spex.values.store import Store
from spex.zooming.levels import coarser_levels, has_several_levels, parse_levels
from spex.zooming.run import check_settings
from spex.zooming.two_levels import coarse_units

if TYPE_CHECKING:
    from spex.models.protocol import LanguageModel
    from spex.scores.log_probabilities import Score


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A call that was checked, before its model is loaded.

    Args:
        request: The call.
        masker: The input and its units.
        score: What is measured.
        model: Loaded only if its tokens are the units.
        calls: The most distinct masks that are evaluated.
        retries: How often a function of the user's is asked again.
    """

    request: Request
    masker: AnyMasker
    score: "Score"
    model: "LanguageModel | None"
    calls: int
    retries: Retries

    def function(self, session: Session, store: Store | None) -> Function | Deferred:
        """The value function; its model is loaded unless the store may have all values."""
        request, masker, score = self.request, self.masker, self.score
        return self.retries.call(
            lambda: function_of(session, request, masker, score, self.model, store)
        )

    def loaded(self, session: Session) -> Function:
        """The value function, with its model."""
        request, masker, score = self.request, self.masker, self.score
        return make_function(session, request, masker, score, self.model, None)


def prepare(session: Session, request: Request) -> Prepared:
    """Read the input and find what is wrong with a call.

    Raises:
        SpexError: the call is wrong.
    """
    refuse_secret(request.model)  # first, because messages and the plan show the model's name
    request, masker, score = read_input(session, request)
    check_function(request, masker)
    check_import(request)
    price_of(request.price, model_name(request))
    opened = functools.partial(open_store, session, request, lambda error: None)
    masker, model = written(session, request, masker, opened)
    calls = _check(request, masker)
    retries = Retries(request.retries if is_own(request) else None, session.notice)
    return Prepared(request, masker, score, model, calls, retries)


def _check(request: Request, masker: AnyMasker) -> int:
    """Find what is wrong with a call before a model is loaded; return the most calls it makes."""
    _check_files(request)
    if request.limits.cost is not None and request.price is None:
        raise ArgumentError("--max-cost: needs the price of a model on a server; give --price")
    n = masker.n_features
    if isinstance(masker, PromptTemplate):
        request.shown.check(n)
        spread, _ = allocated(request, masker)
        return spread.n_masks * spread.per_mask
    if request.zoom is None:
        request.shown.check(n)
        return request.settings(n).total
    if not isinstance(masker, Text | Documents | Messages):
        raise ArgumentError(
            "--zoom: goes with --text, --documents and --messages only, which have coarser units"
        )
    if request.target_r2 is not None:
        raise ArgumentError("--target-r2 does not go with --zoom; leave it out")
    levels = parse_levels(request.zoom)
    if has_several_levels(levels):
        coarser_levels(levels, n, masker)
        check_settings(request.budget, **request.of_run)
        request.shown.check(2)
        return request.budget if n >= 26 else min(request.budget, 1 << n)
    _, labels = coarse_units(request.zoom, n, masker)
    half = dataclasses.replace(request, budget=request.budget // 2)
    total = half.settings(len(labels)).total
    request.shown.check(2)  # a close-up has at least two units
    return request.budget if n >= 26 else min(request.budget, total + (1 << n))


def _check_files(request: Request) -> None:
    check_retries(request.retries)
    if request.engine is not None:
        engine_of(request.engine)
    check_store(request.store, request.no_store)
    check_files(
        {"--out": request.out, "--html": request.html, "--store": request.store},
        {option: Path(file) for option, file in sources(request).items() if file != "-"},
    )

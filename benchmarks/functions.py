"""Value functions for the benchmarks, most of them with a known Fourier spectrum.

A *case* is a small description that can be sent to another process; `case.build()` makes the
function. A function takes bool masks (m, n), True = present, and its spectrum is the one that
`spex` defines: f(m) = sum_k F(k) (-1)^<k,m>, an interaction k being a sorted tuple of features.
"""

import functools
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from spex.prior import Prior

if TYPE_CHECKING:
    import spex

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]
Interaction = tuple[int, ...]

# How often an interaction has order 1, 2, .. 5. The spectra that the SPEX authors recovered from
# language models have .22 .43 .26 .08 .01; ours lean further towards both ends.
ORDERS = (0.35, 0.30, 0.20, 0.10, 0.05)
# A review for those who have no file of them.
REVIEW = (
    "The film is not bad at all, but the ending could hardly be called a surprise to anyone who "
    "has ever seen a thriller before."
)
_BLOCK = 4096  # masks evaluated at once, so that memory does not grow with their number
_HIDDEN = 256  # units of the tail: so many that no Walsh coefficient of it is large


@dataclass(frozen=True)
class Function:
    """A value function and what is known of it.

    Args:
        n: Number of features.
        values: From bool masks (m, n) to (m,) float64; equal masks have equal values.
        truth: The coefficients to be found, the constant included; None where unknown.
        is_sequence: Whether features stand in a row and close up where some are left out.
    """

    n: int
    values: Callable[[BoolArray], FloatArray]
    truth: Mapping[Interaction, float] | None
    is_sequence: bool = False

    @property
    def prior(self) -> Prior:
        """What is known of the features."""
        return Prior(sequence=tuple(range(self.n)) if self.is_sequence else ())


class Case(Protocol):
    """Describes a function: a name, its noise in words, n, and how to make it."""

    @property
    def name(self) -> str: ...
    @property
    def noise(self) -> str: ...
    @property
    def n(self) -> int: ...
    def build(self) -> Function: ...


@dataclass(frozen=True)
class Noise:
    """What a function has beside its sparse spectrum.

    Args:
        kind: `white` (a normal number for every mask, always the same one), `network` (a random
            two-layer network: most of it is of order 1, the rest a dense spectrum of small
            coefficients) or `tail` (the same without its part of order 1, which is harder).
        share: Its share of the variance of the whole function, 0 to below 1.
    """

    kind: str = "white"
    share: float = 0.0

    def __str__(self) -> str:
        return f"{self.kind} {self.share:.0%}" if self.share else "none"

    def add_to(
        self, sparse: Callable[[BoolArray], FloatArray], n: int, variance: float, seed: int
    ) -> Callable[[BoolArray], FloatArray]:
        """A sparse function of a given variance, with this noise added."""
        if not self.share:
            return sparse
        variance *= self.share / (1 - self.share)
        make = {"white": white_noise, "network": network, "tail": tail}[self.kind]
        noise = make(n, variance, seed)
        return lambda masks: sparse(masks) + noise(masks)


@dataclass(frozen=True)
class Synthetic:
    """A random sparse spectrum.

    Orders are drawn with the probabilities `ORDERS`, the features of an interaction uniformly
    without replacement; an interaction that is there already is drawn again. The constant comes on
    top.

    Args:
        n: Number of features.
        n_coefficients: Coefficients beside the constant.
        added: Noise.
        seed: Of everything random.
        max_order: Highest order.
        amplitudes: `normal` (standard normal coefficients) or `equal` (1 or -1).
    """

    n: int
    n_coefficients: int
    added: Noise = Noise()
    seed: int = 0
    max_order: int = 5
    amplitudes: str = "normal"

    @property
    def name(self) -> str:
        return f"synthetic n={self.n} k={self.n_coefficients}"

    @property
    def noise(self) -> str:
        return str(self.added)

    def coefficients(self) -> dict[Interaction, float]:
        """The spectrum."""
        rng = np.random.default_rng([self.seed, self.n, self.n_coefficients])
        chances = np.array(ORDERS[: self.max_order])
        support: dict[Interaction, None] = {(): None}  # a dict keeps the order of drawing
        while len(support) <= self.n_coefficients:
            order = 1 + int(rng.choice(len(chances), p=chances / chances.sum()))
            members = rng.choice(self.n, size=order, replace=False)
            support[tuple(sorted(members.tolist()))] = None
        values = rng.normal(size=len(support))
        if self.amplitudes == "equal":
            values = np.sign(values)
        return dict(zip(support, values.tolist(), strict=True))

    def build(self) -> Function:
        return _with_noise(self.coefficients(), self.n, self.added, self.seed)


@dataclass(frozen=True)
class Published:
    """A spectrum from a file of `published`, exact or with noise."""

    title: str
    n: int
    coefficients: tuple[tuple[Interaction, float], ...]
    added: Noise = Noise()
    seed: int = 0

    @property
    def name(self) -> str:
        return self.title

    @property
    def noise(self) -> str:
        return str(self.added)

    def build(self) -> Function:
        return _with_noise(dict(self.coefficients), self.n, self.added, self.seed)


@dataclass(frozen=True)
class Review:
    """VADER's compound score of a text with words deleted."""

    text: str
    n: int
    noise: str = "natural"

    @property
    def name(self) -> str:
        return f"vader n={self.n} {self.text[:14]!r}"

    def build(self) -> Function:
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

        import spex

        analyzer = SentimentIntensityAnalyzer()
        masker = spex.Text(self.text)

        def values(masks: BoolArray) -> FloatArray:
            texts = (masker.mask_text(mask) for mask in masks)
            return np.array([analyzer.polarity_scores(text)["compound"] for text in texts])

        return Function(self.n, values, None, is_sequence=True)


@dataclass(frozen=True)
class Classifier:
    """The probability of the predicted class; absent features have the training data's mean.

    Args:
        kind: `forest` (random forest, breast cancer) or `mlp` (multi-layer perceptron, digits).
        n: Number of features.
        row: Number of the input among those that the model was not fitted to; the default is one
            whose probability varies: of many digits it stays sure whatever is masked.
    """

    kind: str
    n: int
    noise: str = "natural"
    row: int = 4

    @property
    def name(self) -> str:
        return {"forest": "forest, breast cancer", "mlp": "mlp, digits"}[self.kind]

    def build(self) -> Function:
        model, rows, mean = _classifier(self.kind)
        row = rows[self.row]
        label = int(model.predict_proba(row[None])[0].argmax())

        def values(masks: BoolArray) -> FloatArray:
            return model.predict_proba(np.where(masks, row, mean))[:, label]

        return Function(self.n, values, None)


@functools.cache
def _classifier(kind: str) -> tuple[Any, FloatArray, FloatArray]:
    """A fitted model, rows that it was not fitted to, and the mean of those it was."""
    from sklearn.datasets import load_breast_cancer, load_digits
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import train_test_split
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    load, model = {
        "forest": (load_breast_cancer, RandomForestClassifier(200, random_state=0)),
        "mlp": (
            load_digits,
            make_pipeline(StandardScaler(), MLPClassifier((64,), max_iter=500, random_state=0)),
        ),
    }[kind]
    x, y = load(return_X_y=True)
    train, test, labels, _ = train_test_split(x, y, random_state=0)
    return model.fit(train, labels), test, train.mean(axis=0)


class _Kept:
    """Values of a function of spex from a sample store; it is made when one of them is missing.

    Args:
        path: Of the store.
        description: Whatever determines the function: its identity, which only the loaded model
            knows, is kept under a hash of that.
        make: Makes the function.
    """

    def __init__(self, path: Path, description: object, make: Callable[[], Any]) -> None:
        text = json.dumps(description, sort_keys=True)
        self._path = path
        self._key = f"identity of {hashlib.sha256(text.encode()).hexdigest()}"
        self._make = make

    @functools.cached_property
    def _function(self) -> Any:
        return self._make()

    def __call__(self, masks: BoolArray) -> FloatArray:
        import spex
        from spex.f2.packing import pack

        words = pack(masks)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with spex.Store(self._path) as store:
            identity = store.get_answer(self._key)
            if identity is None:
                identity = self._function.identity
                store.put_answer(self._key, identity)
            known = store.get(identity, words)
            missing = np.flatnonzero(np.isnan(known))
            if len(missing):
                for rows, found in self._function.stream(masks[missing]):
                    store.put(identity, words[missing[rows]], found)
                    known[missing[rows]] = found
        return known


@dataclass(frozen=True)
class Photograph:
    """EfficientNet-Lite0's log-probability of the class that it sees in a picture of 8 x 6 patches.

    Args:
        path: The picture; None for the cat of scikit-image.
        store: Path of the sample store.
    """

    path: Path | None
    store: Path
    n: int = 48
    noise: str = "natural"

    @property
    def name(self) -> str:
        return f"photograph, {'cat' if self.path is None else self.path.stem}"

    def build(self) -> Function:
        import spex

        # A PIL image and a path are both given to the network as PIL images.
        picture: Any = self.path
        if self.path is None:
            from PIL import Image
            from skimage.data import chelsea

            picture = Image.fromarray(chelsea())
        masker = spex.Image(picture, unit="grid:8x6")

        def make() -> Any:
            from spex.models.efficientnet import EfficientNetLite0

            return spex.PredictFunction(masker, EfficientNetLite0())

        return Function(self.n, _Kept(self.store, ["efficientnet", masker.describe()], make), None)


@dataclass(frozen=True)
class Prompted:
    """What a language model makes of a text or of documents, values kept in a sample store.

    Args:
        title: Name of the case.
        masker: A masker of spex.
        score: A score of spex.
        store: Path of the sample store.
        model: Name of the model.
    """

    title: str
    masker: "spex.Text | spex.Documents"
    score: object
    store: Path
    model: str = "smollm2"
    noise: str = "natural"

    @property
    def name(self) -> str:
        return self.title

    @property
    def n(self) -> int:
        return self.masker.n_features

    def build(self) -> Function:
        import spex

        description = [self.model, self.masker.describe(), repr(self.score)]

        def make() -> spex.ValueFunction:
            return spex.ValueFunction(self.masker, self.model, self.score, store=self.store)

        return Function(self.n, _Kept(self.store, description, make), None, is_sequence=True)


def published(path: Path, added: Noise, seed: int) -> list[Published]:
    """Cases from a JSON list of objects with name, n and coefficients [[features], value]."""
    return [
        Published(
            spectrum["name"],
            spectrum["n"],
            tuple((tuple(sorted(k)), float(value)) for k, value in spectrum["coefficients"]),
            added,
            seed,
        )
        for spectrum in json.loads(path.read_text(encoding="utf-8"))
    ]


def reviews(path: Path | None, least: int, most: int, count: int) -> list[Review]:
    """Reviews of evenly spread lengths between two numbers of words.

    Args:
        path: JSON lines with a 'text' each; None for the review above alone.
        least: Smallest number of words.
        most: Largest number of words.
        count: At most so many.
    """
    import spex

    texts = [REVIEW]
    if path is not None:
        with path.open(encoding="utf-8") as lines:
            texts = [json.loads(line)["text"] for line in lines]
    cases = [Review(text, spex.Text(text).n_features) for text in texts]
    cases = sorted((case for case in cases if least <= case.n <= most), key=lambda case: case.n)
    count = min(count, len(cases))
    return [cases[(2 * i + 1) * len(cases) // (2 * count)] for i in range(count)]


def language_model_cases(data: Path, store: Path) -> list[Prompted]:
    """SmolLM2 on reviews and retrieved passages: log-odds and long answers, deleted and masked.

    Args:
        data: Folder with the reviews and the questions of HotpotQA.
        store: Path of the sample store in which values stay between runs.
    """
    import spex

    with (data / "sentiment_reviews_dev80.jsonl").open(encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in lines]
    with (data / "hotpotqa_distractor_dev50.jsonl").open(encoding="utf-8") as lines:
        question = [json.loads(line) for line in lines][48]
    odds = spex.LogOdds("positive", "negative")
    ask = (
        "Is the sentiment of this review positive or negative? Review: {input}\n"
        "Answer with one word."
    )
    reason = "Say in one sentence what this review thinks of the film, and why. Review: {input}"
    context = question["context"]
    documents = [
        {"title": title, "text": sentences}
        for title, sentences in zip(context["title"], context["sentences"], strict=True)
    ][:7]
    return [
        Prompted("smol 28 words, odds", spex.Text(texts[16], prompt=ask), odds, store),
        Prompted("smol 55 words, odds", spex.Text(texts[20], prompt=ask), odds, store),
        Prompted(
            "smol 42 words, odds, mask token",
            spex.Text(texts[29], prompt=ask, operator="mask"),
            odds,
            store,
        ),
        Prompted(
            "smol 32 words, answer", spex.Text(texts[21], prompt=reason), spex.LogProb(), store
        ),
        Prompted(
            "smol sentences, answer",
            spex.Documents(documents, question["question"], unit="sentence"),
            spex.LogProb(),
            store,
        ),
        Prompted("smol 89 words, odds", spex.Text(texts[34], prompt=ask), odds, store),
    ]


def evaluate(spectrum: Mapping[Interaction, float], masks: BoolArray) -> FloatArray:
    """sum_k F(k) (-1)^<k,m> at masks (m, n).

    The features of k are looked up one by one, so that the cost does not depend on n.
    """
    used = sorted({feature for interaction in spectrum for feature in interaction})
    column = {feature: i for i, feature in enumerate(used)}
    values = np.zeros(len(masks))
    for start in range(0, len(masks), _BLOCK):
        present = np.ascontiguousarray(masks[start : start + _BLOCK, used].T)
        block = values[start : start + _BLOCK]
        for interaction, coefficient in spectrum.items():
            odd = np.zeros(len(block), dtype=np.bool_)
            for feature in interaction:
                odd ^= present[column[feature]]
            block += np.where(odd, -coefficient, coefficient)
    return values


def white_noise(n: int, variance: float, seed: int) -> Callable[[BoolArray], FloatArray]:
    """Independent normal numbers, one for every mask; equal masks get equal numbers.

    A hash of the mask (splitmix64 over its words; Steele, Lea, Flood 2014) gives two uniform
    numbers, and these a normal one (Box and Muller 1958).
    """

    def values(masks: BoolArray) -> FloatArray:
        found = np.empty(len(masks))
        for start in range(0, len(masks), _BLOCK):
            block = masks[start : start + _BLOCK]
            rows = np.packbits(block, axis=1)
            rows = np.ascontiguousarray(np.pad(rows, ((0, 0), (0, -rows.shape[1] % 8))))
            state = np.zeros(len(rows), dtype=np.uint64)
            for word in rows.view(np.uint64).T:
                state = _mix(state ^ word)
            # Added after mixing: as a first word it would only permute the masks.
            state = _mix(state + np.uint64(seed))
            first = (_mix(state) >> np.uint64(11)) * 2.0**-53
            second = (_mix(state + np.uint64(1)) >> np.uint64(11)) * 2.0**-53
            normal = np.sqrt(-2 * np.log1p(-first)) * np.cos(2 * np.pi * second)
            found[start : start + _BLOCK] = np.sqrt(variance) * normal
        return found

    return values


def network(n: int, variance: float, seed: int) -> Callable[[BoolArray], FloatArray]:
    """A dense function: sum_h a_h tanh(<w_h, s> + b_h) with s = 2 m - 1, scaled to a variance."""
    rng = np.random.default_rng([seed, n, 77])
    return _scaled(_network(n, rng), n, variance, rng)


def tail(n: int, variance: float, seed: int) -> Callable[[BoolArray], FloatArray]:
    """The network without its part of order 1, scaled to a variance.

    That is three quarters of such a network, in n coefficients as large as those to be found, and a
    method that found them would be told that they are false.
    """
    rng = np.random.default_rng([seed, n, 77])
    values = _network(n, rng)
    masks = rng.random((max(8192, 8 * n), n)) < 0.5
    columns = np.concatenate([np.ones((len(masks), 1)), 2.0 * masks - 1.0], axis=1)
    linear = np.linalg.solve(columns.T @ columns, columns.T @ values(masks))
    # Scaled on masks that this fit has not seen, for on those it saw the rest looks smaller.
    return _scaled(
        lambda masks: values(masks) - linear[0] - (2.0 * masks - 1.0) @ linear[1:], n, variance, rng
    )


def explained(values: FloatArray, predicted: FloatArray) -> float:
    """R2 = 1 - ||f - f_hat||^2 / ||f - mean(f)||^2."""
    return 1.0 - float(((values - predicted) ** 2).sum() / ((values - values.mean()) ** 2).sum())


def uniform(n: int, count: int, seed: Sequence[int]) -> BoolArray:
    """Uniformly random masks (count, n)."""
    return np.random.default_rng(seed).random((count, n)) < 0.5


def _network(n: int, rng: np.random.Generator) -> Callable[[BoolArray], FloatArray]:
    inner = rng.normal(scale=2 / np.sqrt(n), size=(n, _HIDDEN))
    shift = rng.normal(size=_HIDDEN)
    outer = rng.normal(size=_HIDDEN)

    def values(masks: BoolArray) -> FloatArray:
        found = np.empty(len(masks))
        for start in range(0, len(masks), _BLOCK):
            signs = 2.0 * masks[start : start + _BLOCK] - 1.0
            found[start : start + _BLOCK] = np.tanh(signs @ inner + shift) @ outer
        return found

    return values


def _scaled(
    values: Callable[[BoolArray], FloatArray], n: int, variance: float, rng: np.random.Generator
) -> Callable[[BoolArray], FloatArray]:
    scale = np.sqrt(variance / values(rng.random((8192, n)) < 0.5).var())
    return lambda masks: scale * values(masks)


def _with_noise(spectrum: dict[Interaction, float], n: int, added: Noise, seed: int) -> Function:
    variance = sum(value**2 for interaction, value in spectrum.items() if interaction)
    values = added.add_to(lambda masks: evaluate(spectrum, masks), n, variance, seed)
    return Function(n, values, spectrum)


def _mix(state: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The step of splitmix64; wraps around as it should."""
    state = state + np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))

"""Masking a picture: its patches or superpixels are the features."""

import hashlib
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from spex._typing import BoolArray, IntArray
from spex.checks.arguments import MAX_FEATURES
from spex.checks.masks import check_mask, check_masks
from spex.errors import ArgumentError
from spex.extras import require
from spex.inputs.parts import ImagePart
from spex.inputs.pixels import (
    Pixels,
    blurred,
    data_url,
    grey,
    inpainted,
    mean_colours,
    opaque,
    opaque_colours,
    outlines,
    read_pixels,
    to_pil,
)
from spex.inputs.templates import check_encodable, check_system
from spex.models.protocol import Message, Prompt
from spex.prior import NO_PRIOR
from spex.wording import did_you_mean, shorten

_OPERATORS = ("mean", "grey", "blur", "inpaint")
_GRID = re.compile(r"grid:([0-9]+)x([0-9]+)")
_SUPERPIXELS = re.compile(r"superpixels:([0-9]+)")
_BLUR = re.compile(r"blur:([0-9]+(?:\.[0-9]+)?)")
# Measured on four photographs, for 50 to 100 regions: these settings give 86 to 108 % of the number
# asked for. The library's default (compactness 10, no smoothing) gives 56 to 84 %.
_SEGMENTED_SIDE = 512
_COMPACTNESS = 20.0
_SMOOTHING_SHARE = 0.005
_FORMAT = 2  # raise it when absent regions change their look
_LEAST_SIGMA = 0.01  # of a blur, in pixels; a smaller one has no effect
_MOST_INPAINTED = 1 << 19  # pixels; this many take seconds for each mask
_SHOWN_SIDE = 640
_MAP_COLUMNS = 40
_ROWS = ("top", "middle", "bottom")
_COLUMNS = ("left", "centre", "right")


@dataclass(frozen=True, eq=False)
class Image:
    """A picture whose patches or superpixels can be absent.

    Args:
        image: a path, the bytes of a file, a PIL image, or an array. Arrays are (height, width) or
            (height, width, 1, 3 or 4 channels) of uint8, or of floats in [0, 1]. All others are
            turned upright by their EXIF orientation, and scaled down to 2 megapixels if they have
            more.
        unit: "grid:COLUMNSxROWS" such as "grid:8x6", or "superpixels:N" (SLIC; about N regions
            that follow the edges of the picture).
        operator: what replaces an absent region: its "mean" colour; "grey"; the blurred picture,
            "blur" or "blur:SIGMA" in pixels of your picture; or "inpaint", biharmonic inpainting
            from the present regions. "inpaint" takes seconds for 300 x 450 pixels, so make the
            picture smaller first. Transparent colours count less.
        prompt: the question to a model that takes images.
        system: a system message, if any.

    Attributes:
        regions: (height, width) int64, the number of the feature of each pixel.
        features: "row 1, column 2" of each patch; "region 3, top left" of each superpixel.
        notes: a sentence if the picture was scaled down.

    Raises:
        ArgumentError: an argument is wrong, the file is no picture, or there are fewer than two
            regions.
        MissingExtraError: Pillow or scikit-image is not installed.

    Example:
        >>> import numpy as np
        >>> import spex
        >>> picture = spex.Image(np.zeros((40, 60, 3), dtype=np.uint8), unit="grid:3x2")
        >>> picture.n_features, picture.features[0]
        (6, 'row 1, column 1')
    """

    image: Any
    unit: str = "grid:8x8"
    operator: str = "mean"
    prompt: str = ""
    system: str | None = None

    def __post_init__(self) -> None:
        check_system(self.system)
        if not isinstance(self.prompt, str):
            raise ArgumentError(f"prompt must be a str, not {type(self.prompt).__name__}")
        check_encodable(self.prompt, "prompt")
        _, sigma = _parse_operator(self.operator)
        _parse_unit(self.unit)
        if sigma is not None and sigma > (side := max(self._size)):
            raise ArgumentError(
                f"operator={shorten(repr(self.operator))}: the limit for this picture is "
                f"blur:{side}, its longer side in pixels"
            )
        height, width = self._pixels.shape[:2]
        if self.operator == "inpaint" and height * width > _MOST_INPAINTED:
            raise ArgumentError(
                f"operator='inpaint' takes minutes for each mask of {width:,} x {height:,} pixels; "
                f"the limit is {_MOST_INPAINTED:,} in all: give a smaller picture, or use 'blur'"
            )
        if self.n_features < 2:
            raise ArgumentError(
                f"unit={self.unit!r} gives one region; nothing to attribute; use more"
            )

    @cached_property
    def _read(self) -> tuple[Pixels, tuple[int, int]]:
        """The pixels, and the width and height before they were scaled down."""
        pixels, size = read_pixels(self.image)
        pixels.flags.writeable = False
        return pixels, size

    @property
    def _pixels(self) -> Pixels:
        return self._read[0]

    @property
    def _size(self) -> tuple[int, int]:
        return self._read[1]

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence where the picture was scaled down."""
        height, width = self._pixels.shape[:2]
        if (width, height) == self._size:
            return ()
        before = "{:,} x {:,}".format(*self._size)
        return (
            f"The picture of {before} pixels was scaled down to {width:,} x {height:,}, which the "
            "model is given; an array is taken as it is.",
        )

    @cached_property
    def regions(self) -> IntArray:
        """(height, width) int64, the number of the feature of each pixel."""
        regions = _regions(self._pixels, self.unit)
        regions.flags.writeable = False
        return regions

    @property
    def n_features(self) -> int:
        """The number of regions."""
        return int(self.regions.max()) + 1

    @cached_property
    def features(self) -> tuple[str, ...]:
        """The place of each region."""
        if grid := _GRID.fullmatch(self.unit):
            columns, rows = (int(number) for number in grid.groups())
            return tuple(
                f"row {row}, column {column}"
                for row in range(1, rows + 1)
                for column in range(1, columns + 1)
            )
        step = _step(self.regions)
        regions = self.regions[::step, ::step]
        height, width = regions.shape
        count = np.bincount(regions.ravel())
        y, x = (
            np.bincount(regions.ravel(), weights=places.ravel()) / count
            for places in np.indices(regions.shape)
        )
        return tuple(
            f"region {number + 1}, "
            f"{_ROWS[int(3 * y[number] / height)]} {_COLUMNS[int(3 * x[number] / width)]}"
            for number in range(self.n_features)
        )

    @cached_property
    def _absent(self) -> Callable[[BoolArray], Pixels]:
        """From present pixels, (height, width) bool, to a picture that replaces the absent ones."""
        kind, sigma = _parse_operator(self.operator)
        if kind == "inpaint":
            return lambda present: inpainted(self._pixels, present)
        if kind == "mean":
            fixed = mean_colours(self._pixels, self.regions)
        elif kind == "grey":
            fixed = grey(self._pixels)
        else:
            scale = max(self._pixels.shape[:2]) / max(self._size)
            fixed = blurred(self._pixels, sigma and sigma * scale)
        return lambda present: fixed

    def mask_image(self, mask: npt.ArrayLike) -> Pixels:
        """Replace the absent regions of the picture.

        Args:
            mask: (n_features,) of bool or 0/1; True keeps the region.

        Returns:
            An array of the shape and type of the picture.

        Raises:
            ArgumentError: the mask has another shape or other values.
        """
        present = check_mask(mask, self.n_features)[self.regions]
        if present.all():
            return self._pixels.copy()
        shown = present if self._pixels.ndim == 2 else present[:, :, None]
        return np.where(shown, self._pixels, self._absent(present))

    def render(self, mask: npt.ArrayLike) -> Prompt:
        """Render the prompt: the masked picture and the question.

        Args:
            mask: (n_features,) of bool or 0/1; True keeps the region.

        Raises:
            ArgumentError: the mask has another shape or other values.
        """
        picture = data_url(to_pil(self.mask_image(mask)), "png")
        start = () if self.system is None else (Message("system", self.system),)
        return Prompt((*start, Message("user", self.prompt, (picture,))))

    inputs_per_mask = 1
    prior = NO_PRIOR

    @property
    def unit_name(self) -> str:
        """The unit, as given."""
        return self.unit

    @property
    def operator_name(self) -> str:
        """The operator, as given."""
        return self.operator

    def apply(self, masks: npt.ArrayLike) -> Any:
        """The inputs of a predict function for (m, n_features) masks: m pictures.

        Returns:
            An array (m, height, width[, channels]) if the picture was given as an array; else a
            list of m PIL images.
        """
        pictures = [self.mask_image(mask) for mask in check_masks(masks, self.n_features)]
        if isinstance(self.image, np.ndarray):
            return np.stack(pictures) if pictures else np.empty((0, *self._pixels.shape))
        return [to_pil(picture) for picture in pictures]

    @property
    def parts(self) -> tuple[ImagePart, ...]:
        """The picture and its regions, for reports."""
        height, width = self.regions.shape
        scale = _SHOWN_SIDE / max(height, width)
        # A tiny picture is enlarged by a whole factor, so that its regions can be outlined.
        scale = float(max(1, int(scale))) if scale > 1 else scale
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        regions = self.regions[np.ix_(_spread(size[1], height), _spread(size[0], width))]
        pil = require("PIL.Image", "image")
        how = pil.Resampling.NEAREST if scale >= 1 else pil.Resampling.LANCZOS
        picture = opaque(to_pil(self._pixels)).resize(size, how)
        map_rows = min(max(1, round(_MAP_COLUMNS * height / width / 2)), _MAP_COLUMNS)
        cells = self.regions[np.ix_(_spread(map_rows, height), _spread(_MAP_COLUMNS, width))]
        part = ImagePart(
            picture=data_url(picture, "jpeg"),
            width=size[0],
            height=size[1],
            outlines=outlines(regions, self.n_features),
            cells=tuple(map(tuple, cells.tolist())),
        )
        return (part,)

    def describe(self) -> dict[str, Any]:
        """Type, hashes of picture and regions, unit, operator, prompt, system, as JSON values."""
        return {
            "type": "image",
            "format": _FORMAT,
            "sha256": _hash(self._pixels),
            "shape": list(self._pixels.shape),
            "dtype": str(self._pixels.dtype),
            "unit": self.unit_name,
            "regions": _hash(self.regions),
            "operator": self.operator_name,
            "prompt": self.prompt,
            "system": self.system,
        }


def check_names(units: Sequence[str], operators: Sequence[str]) -> None:
    """Refuse unknown units and operators, without a picture.

    Raises:
        ArgumentError: a name is not known.
    """
    for unit in units:
        _parse_unit(unit)
    for operator in operators:
        _parse_operator(operator)


def _parse_operator(operator: object) -> tuple[str, float | None]:
    if operator in _OPERATORS:
        return str(operator), None
    if isinstance(operator, str) and (blur := _BLUR.fullmatch(operator)):
        if (sigma := float(blur[1])) >= _LEAST_SIGMA:
            return "blur", sigma
    close = did_you_mean(operator, _OPERATORS)
    raise ArgumentError(
        f"operator={operator!r} is unknown{close}; use 'mean', 'grey', 'blur', 'blur:SIGMA' (in "
        "pixels) or 'inpaint'"
    )


def _parse_unit(unit: object) -> tuple[int, ...]:
    """(columns, rows) of a grid, or (number,) of superpixels."""
    text = unit if isinstance(unit, str) else ""
    found = _GRID.fullmatch(text) or _SUPERPIXELS.fullmatch(text)
    if found is None:
        close = did_you_mean(unit, ("grid", "superpixels"))
        raise ArgumentError(
            f"unit={unit!r} is unknown{close}; use 'grid:COLUMNSxROWS' such as 'grid:8x6', or "
            "'superpixels:N'"
        )
    # Python refuses to read thousands of digits.
    numbers = tuple(int(number[:9]) for number in found.groups())
    if math.prod(numbers) > MAX_FEATURES:
        raise ArgumentError(
            f"unit={shorten(repr(unit))}: the limit is {MAX_FEATURES:,} regions; use fewer"
        )
    return numbers


def _regions(pixels: Pixels, unit: str) -> IntArray:
    height, width = pixels.shape[:2]
    numbers = _parse_unit(unit)
    if len(numbers) == 1:
        if not 2 <= numbers[0] <= height * width:
            raise ArgumentError(f"unit={unit!r}: use 2 to {height * width} superpixels")
        return _superpixels(pixels, numbers[0])
    columns, rows = numbers
    if not (1 <= columns <= width and 1 <= rows <= height):
        raise ArgumentError(
            f"unit={unit!r} does not fit a picture of {width}x{height} pixels; use 1 to "
            f"{width} columns and 1 to {height} rows"
        )
    of_row, of_column = np.arange(height) * rows // height, np.arange(width) * columns // width
    return of_row[:, None] * columns + of_column


def _step(pixels: npt.NDArray[Any]) -> int:
    """Superpixels are found on every so-manieth pixel: fine detail costs time and splits them."""
    return max(1, round(max(pixels.shape[:2]) / _SEGMENTED_SIDE))


def _superpixels(pixels: Pixels, number: int) -> IntArray:
    segmentation = require("skimage.segmentation", "image")
    height, width = pixels.shape[:2]
    step = _step(pixels)
    small = opaque_colours(pixels[::step, ::step])
    found = segmentation.slic(
        small,
        n_segments=number,
        compactness=_COMPACTNESS,
        sigma=_SMOOTHING_SHARE * max(small.shape[:2]),
        start_label=0,
        channel_axis=-1 if pixels.ndim == 3 else None,
    )
    # The library may skip numbers; renumber without gaps.
    regions = np.unique(found, return_inverse=True)[1].reshape(found.shape).astype(np.int64)
    return regions.repeat(step, axis=0).repeat(step, axis=1)[:height, :width]


def _spread(number: int, of: int) -> IntArray:
    """Evenly spread indices below `of`: (number,) int64."""
    return (np.arange(number) * 2 + 1) * of // (2 * number)


def _hash(array: npt.NDArray[Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()

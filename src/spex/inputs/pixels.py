"""Pixels: read pictures, fill their absent regions, and show them."""

import base64
import io
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from spex._typing import BoolArray, IntArray
from spex.errors import ArgumentError
from spex.extras import require
from spex.models.transformers.hub import first_line

# (height, width) or (height, width, channels), of uint8 or of floats in [0, 1]
Pixels: TypeAlias = npt.NDArray[Any]

# Default standard deviation of the blur, as a share of the longer side: shapes of the size of a
# patch vanish, colours and light stay.
_BLUR_SHARE = 0.05


def read_pixels(image: object) -> Pixels:
    """Read the pixels of a path, a PIL image or an array into a new array.

    Raises:
        ArgumentError: it is no picture, or its shape or type is not supported.
        MissingExtraError: Pillow is not installed.
    """
    if isinstance(image, np.ndarray):
        return _check_array(image).copy()
    pil = require("PIL.Image", "image")
    if isinstance(image, str | Path):
        ops = require("PIL.ImageOps", "image")
        try:
            with pil.open(image) as file:
                image = ops.exif_transpose(file)
        except Exception as error:  # decoders raise many kinds
            why = getattr(error, "strerror", None) or first_line(error)
            raise ArgumentError(
                f"image {image}: cannot be read as a picture: {why}; give a file such as PNG or "
                "JPEG"
            ) from error
    if not isinstance(image, pil.Image):
        raise ArgumentError(
            f"image is a {type(image).__name__}; give a path, a PIL image or an array"
        )
    if image.mode[0] in "IF":
        raise ArgumentError(
            f"image is of mode {image.mode}, not of 8 bits a channel; scale it, and give an array "
            "of floats in [0, 1]"
        )
    if image.mode not in ("L", "RGB", "RGBA"):
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    return np.array(image)


def _check_array(image: Pixels) -> Pixels:
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in (1, 3, 4)):
        raise ArgumentError(
            f"image has shape {image.shape}; give (height, width), or (height, width, channels) "
            "with 1, 3 or 4 channels, which come last"
        )
    if image.size == 0:
        raise ArgumentError(f"image has shape {image.shape}: there are no pixels")
    if image.dtype == np.uint8:
        return image
    if image.dtype.kind != "f":
        raise ArgumentError(
            f"image has values of type {image.dtype}; give uint8, or floats in [0, 1]"
        )
    low, high = float(image.min()), float(image.max())
    if not (low >= 0 and high <= 1):  # NaN included
        raise ArgumentError(
            f"image has values from {low:g} to {high:g}; give floats in [0, 1], as they are before "
            "a model's normalisation, and normalise in the function that is explained"
        )
    return image


def _full_scale(pixels: Pixels) -> float:
    return 255.0 if pixels.dtype == np.uint8 else 1.0


def _as_type(values: Pixels, pixels: Pixels) -> Pixels:
    """Cast values to the type of the pixels; round to uint8."""
    if pixels.dtype == np.uint8:
        values = np.clip(np.rint(values), 0, 255)
    return values.astype(pixels.dtype)


def mean_colours(pixels: Pixels, regions: IntArray) -> Pixels:
    """Fill each region with its mean colour."""
    flat = pixels.reshape(regions.size, -1)
    count = np.bincount(regions.ravel())
    sums = [np.bincount(regions.ravel(), weights=channel) for channel in flat.T]
    means = np.stack(sums, axis=-1) / count[:, None]
    return _as_type(means[regions].reshape(pixels.shape), pixels)


def grey(pixels: Pixels) -> Pixels:
    """Middle grey, with the transparency of the picture."""
    values = np.full(pixels.shape, _full_scale(pixels) / 2)
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        values[..., 3] = pixels[..., 3]  # the transparency
    return _as_type(values, pixels)


def blurred(pixels: Pixels, sigma: float | None) -> Pixels:
    """Blur with a Gaussian of standard deviation sigma, in pixels."""
    from scipy.ndimage import gaussian_filter

    if sigma is None:
        sigma = _BLUR_SHARE * max(pixels.shape[:2])
    values = gaussian_filter(pixels.astype(np.float64), sigma, mode="nearest", axes=(0, 1))
    return _as_type(values, pixels)


def inpainted(pixels: Pixels, present: BoolArray) -> Pixels:
    """Fill absent pixels by biharmonic inpainting; present: (height, width) bool."""
    if not present.any():  # nothing to inpaint from
        return grey(pixels)
    restoration = require("skimage.restoration", "image")
    axis = -1 if pixels.ndim == 3 else None
    filled = restoration.inpaint_biharmonic(pixels, ~present, channel_axis=axis)
    return _as_type(filled * _full_scale(pixels), pixels)


def to_pil(pixels: Pixels) -> Any:
    """Convert the pixels to a PIL image of 8 bits per channel."""
    pil = require("PIL.Image", "image")
    if pixels.dtype != np.uint8:
        pixels = np.rint(pixels * 255).astype(np.uint8)
    return pil.fromarray(pixels[..., 0] if pixels.shape[2:] == (1,) else pixels)


def opaque(picture: Any) -> Any:
    """Put a transparent picture on white, since JPEG has no transparency."""
    if picture.mode != "RGBA":
        return picture
    pil = require("PIL.Image", "image")
    return pil.alpha_composite(pil.new("RGBA", picture.size, "white"), picture).convert("RGB")


def data_url(picture: Any, kind: str) -> str:
    """Encode a PIL image as a data URL; kind is "png" or "jpeg"."""
    file = io.BytesIO()
    # Runs once per mask. A photograph of 626 x 351 pixels takes 24 ms at level 1, and 58 to 108 ms
    # at Pillow's default level 6, which saves 10 % of the bytes.
    options = {"compress_level": 1} if kind == "png" else {}
    picture.save(file, format=kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"


def outlines(regions: IntArray, n_features: int) -> tuple[tuple[int, str], ...]:
    """The outline of each region as SVG path data, in pixels."""
    from scipy.ndimage import find_objects

    measure = require("skimage.measure", "image")
    paths = []
    for number, box in enumerate(find_objects(regions + 1, n_features)):
        if box is None:  # too small to see at this size
            paths.append((number, "M0,0Z"))
            continue
        rows, columns = box
        inside = np.pad(regions[box] == number, 1)
        path = ""
        for contour in measure.find_contours(inside.astype(np.float64), 0.5):
            # Marching squares place corners half a pixel off, so points within that are dropped.
            points = measure.approximate_polygon(contour, 0.5)[:-1]
            corners = [
                f"{columns.start + x - 0.5:g},{rows.start + y - 0.5:g}" for y, x in points.tolist()
            ]
            path += "M" + "L".join(corners) + "Z"
        paths.append((number, path))
    return tuple(paths)

"""Pixels: read pictures, fill their absent regions, and show them."""

import base64
import io
import math
import warnings
from os import PathLike
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from spex._typing import BoolArray, IntArray
from spex.errors import ArgumentError
from spex.extras import require
from spex.models.transformers.checkpoints.hub import first_line

# (height, width) or (height, width, channels), of uint8 or of floats in [0, 1]
Pixels: TypeAlias = npt.NDArray[Any]

# Default standard deviation of the blur, as a share of the longer side: shapes of the size of a
# patch vanish, colours and light stay.
_BLUR_SHARE = 0.05
# Standard deviation of a Gaussian, in pixels of the reduced picture.
_FINEST = 4
# More pixels than models use. A photograph of 24 megapixels would take some 2 GB.
_MOST_PIXELS = 1 << 21
_INVISIBLE = 1e-6
_ORIENTATION = 0x0112  # the tag of EXIF
_TURNS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}


def read_pixels(image: object) -> tuple[Pixels, tuple[int, int]]:
    """Read the pixels of a path, the bytes of a file, a PIL image or an array into a new array.

    All but arrays are turned upright as their EXIF orientation says, and scaled down to at most 2
    megapixels.

    Returns:
        The pixels, and the width and height before scaling.

    Raises:
        ArgumentError: it is no picture, or its shape or type is not supported.
        MissingExtraError: Pillow is not installed.
    """
    if isinstance(image, np.ndarray):
        return _check_array(image).copy(), (image.shape[1], image.shape[0])
    pil = require("PIL.Image", "image")
    if isinstance(image, pil.Image):
        return _upright(image, image.size)
    if not isinstance(image, str | PathLike | bytes):
        raise ArgumentError(
            f"image is a {type(image).__name__}; give a path, the bytes of a file, a PIL image or "
            "an array"
        )
    try:
        with warnings.catch_warnings():
            # Pillow warns of 89 megapixels; twice as many are an error.
            warnings.simplefilter("ignore")
            with pil.open(io.BytesIO(image) if isinstance(image, bytes) else image) as file:
                size = file.size
                file.draft(None, _fitting(size))  # a large JPEG is decoded at a fraction
                return _upright(file, size)
    except ArgumentError:
        raise
    except Exception as error:  # decoders raise many kinds of errors
        why = getattr(error, "strerror", None) or first_line(error)
        name = "image" if isinstance(image, bytes) else f"image {image}"
        raise ArgumentError(
            f"{name}: cannot be read as a picture: {why}; give a file such as PNG or JPEG"
        ) from error


def _fitting(size: tuple[int, int]) -> tuple[int, int]:
    """Width and height scaled down to at most 2 megapixels."""
    width, height = size
    scale = min(1.0, math.sqrt(_MOST_PIXELS / (width * height)))
    return max(1, int(width * scale)), max(1, int(height * scale))


def _upright(image: Any, size: tuple[int, int]) -> tuple[Pixels, tuple[int, int]]:
    """The pixels of a PIL image and its size, upright; `size` is that before it was read."""
    if image.mode[0] in "IF":
        raise ArgumentError(
            f"image is of mode {image.mode}, not of 8 bits a channel; scale it, and give an array "
            "of floats in [0, 1]"
        )
    image.load()  # some formats store the orientation at their end
    orientation = image.getexif().get(_ORIENTATION, 1)
    whole = "RGBA" if image.has_transparency_data else "RGB"
    if image.mode in ("1", "P", "PA"):  # cannot be scaled smoothly
        image = image.convert(whole)
    if (fitting := _fitting(size)) != size:
        image = image.resize(fitting, reducing_gap=2.0)
    if image.mode not in ("L", "RGB", "RGBA"):
        image = image.convert(whole)
    if turn := _TURNS.get(orientation):
        image = image.transpose(getattr(require("PIL.Image", "image").Transpose, turn))
        size = size if "FLIP" in turn or turn == "ROTATE_180" else (size[1], size[0])
    return np.array(image), size


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


def _weighted(pixels: Pixels) -> Pixels:
    """Floats in which opacity weights colours: what is transparent has a colour nobody sees."""
    values: npt.NDArray[np.floating[Any]] = pixels.astype(
        np.float32 if pixels.dtype == np.uint8 else np.float64
    )
    if pixels.shape[2:] == (4,):
        values[..., :3] *= values[..., 3:] / _full_scale(pixels)
    return values


def _unweighted(values: Pixels, pixels: Pixels) -> Pixels:
    """Undo `_weighted`, and cast to the type of the pixels; the wholly transparent is white."""
    if pixels.shape[2:] == (4,):
        full = _full_scale(pixels)
        opacity = np.clip(values[..., 3:] / full, 0, 1)
        white = np.full_like(values[..., :3], full)
        colours = np.divide(values[..., :3], opacity, out=white, where=opacity > _INVISIBLE)
        values = np.concatenate([np.clip(colours, 0, full), values[..., 3:]], axis=-1)
    return _as_type(values, pixels)


def mean_colours(pixels: Pixels, regions: IntArray) -> Pixels:
    """Fill each region with its mean colour, weighted by opacity."""
    # Opaque pixels are summed as they are: floats of a large picture take much memory.
    values = _weighted(pixels) if pixels.shape[2:] == (4,) else pixels
    flat, of_pixel = values.reshape(regions.size, -1), regions.ravel()
    sums = [np.bincount(of_pixel, weights=flat[:, c]) for c in range(flat.shape[1])]
    means = np.stack(sums, axis=-1) / np.bincount(of_pixel)[:, None]
    return _unweighted(means.reshape(-1, *pixels.shape[2:]), pixels)[regions]


def grey(pixels: Pixels) -> Pixels:
    """Middle grey, with the transparency of the picture."""
    values = np.full(pixels.shape, _full_scale(pixels) / 2)
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        values[..., 3] = pixels[..., 3]  # keep the transparency
    return _as_type(values, pixels)


def blurred(pixels: Pixels, sigma: float | None) -> Pixels:
    """Blur with a Gaussian of standard deviation sigma, in pixels; colours weighted by opacity."""
    if sigma is None:
        sigma = _BLUR_SHARE * max(pixels.shape[:2])
    values = _weighted(pixels).reshape(*pixels.shape[:2], -1)
    channels = [_gaussian(values[..., c], sigma) for c in range(values.shape[2])]
    return _unweighted(np.stack(channels, axis=-1).reshape(pixels.shape), pixels)


def _gaussian(values: Pixels, sigma: float) -> Pixels:
    """Blur (height, width) floats: a wide Gaussian on means of squares, interpolated linearly.

    Else the time would grow with sigma.
    """
    from scipy.ndimage import gaussian_filter, zoom

    step = max(1, int(sigma / _FINEST))
    if step == 1:
        blurry: Pixels = gaussian_filter(values, sigma, mode="nearest")
        return blurry
    height, width = values.shape
    # Add a ring of squares that repeat the outermost pixels of the picture.
    padded = np.pad(values, [(step, step + -side % step) for side in values.shape], mode="edge")
    rows, columns = (side // step for side in padded.shape)
    means = padded.reshape(rows, step, columns, step).mean(axis=(1, 3))
    # Means over a square and linear interpolation also blur, with variances of step^2 / 12 and / 6.
    rest = math.sqrt((sigma / step) ** 2 - 1 / 4)
    small = gaussian_filter(means, rest, mode="nearest")
    large = zoom(small, step, order=1, mode="nearest", grid_mode=True)
    return np.asarray(large)[step : step + height, step : step + width]


def inpainted(pixels: Pixels, present: BoolArray) -> Pixels:
    """Fill absent pixels by biharmonic inpainting; present: (height, width) bool."""
    if not present.any():  # nothing to inpaint from
        return grey(pixels)
    restoration = require("skimage.restoration", "image")
    axis = -1 if pixels.ndim == 3 else None
    values = _weighted(pixels) / _full_scale(pixels)
    filled = restoration.inpaint_biharmonic(values, ~present, channel_axis=axis)
    return _unweighted(filled * _full_scale(pixels), pixels)


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


def opaque_colours(pixels: Pixels) -> Pixels:
    """The colours of the pixels on white, without their transparency."""
    if pixels.shape[2:] != (4,):
        return pixels
    values = _weighted(pixels)
    return _as_type(values[..., :3] + (_full_scale(pixels) - values[..., 3:]), pixels)


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

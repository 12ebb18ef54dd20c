"""Image: regions, operators, what models and functions are given, reports, and every error."""

import base64
import io
import json
import re
import sys
from importlib import import_module

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.ndimage import gaussian_filter

from spex import LogProb, PredictFunction, ValueFunction
from spex.errors import ArgumentError, MissingExtraError
from spex.inputs.image import Image
from spex.inputs.parts import parts_from_json
from spex.models import TableModel

PIL = import_module("PIL.Image")
import_module("skimage")
exif_transpose = import_module("PIL.ImageOps").exif_transpose

OPERATORS = ["mean", "grey", "blur", "blur:2.5", "inpaint"]
UNITS = ["grid:3x2", "superpixels:6"]


def picture(height=24, width=30, channels=3, seed=0):
    """Smooth colours with a square in them."""
    y, x = np.mgrid[:height, :width]
    waves = np.random.default_rng(seed).random((channels, 2))
    pixels = np.stack(
        [127 * (1 + np.sin(6 * a * y / height + 6 * b * x / width)) for a, b in waves], axis=-1
    )
    pixels[5:12, 8:17] = 250
    return pixels.astype(np.uint8)


def ones(masker):
    return np.ones(masker.n_features, dtype=bool)


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("shape", [(), (1,), (3,), (4,)])
@pytest.mark.parametrize("kind", ["uint8", "float32", "float64"])
def test_all_present_is_the_picture_pixel_for_pixel(operator, unit, shape, kind):
    pixels = picture(channels=(shape or (1,))[0]).reshape(24, 30, *shape)
    pixels = pixels if kind == "uint8" else (pixels / 255).astype(kind)
    masker = Image(pixels, unit, operator)
    whole = masker.mask_image(ones(masker))
    assert whole.dtype == pixels.dtype
    np.testing.assert_array_equal(whole, pixels)
    np.testing.assert_array_equal(masker.apply([ones(masker)])[0], pixels)
    half = np.arange(masker.n_features) % 2 == 0
    masked = masker.mask_image(half)
    assert (masked.dtype, masked.shape) == (pixels.dtype, pixels.shape)
    shown = half[masker.regions]
    np.testing.assert_array_equal(masked[shown], pixels[shown])
    assert not np.array_equal(masked[~shown], pixels[~shown])
    nothing = masker.mask_image(~ones(masker))
    assert nothing.shape == pixels.shape and not np.array_equal(nothing, pixels)


@given(
    arrays.arrays(np.uint8, st.tuples(st.integers(2, 9), st.integers(2, 9), st.just(3))),
    st.integers(1, 2),
    st.integers(2, 2),
)
def test_any_picture_comes_back(pixels, columns, rows):
    masker = Image(pixels, f"grid:{columns}x{rows}")
    np.testing.assert_array_equal(masker.mask_image(ones(masker)), pixels)


def test_a_grid_has_columns_and_rows():
    masker = Image(picture(10, 20), "grid:4x2")
    assert masker.features[:5] == (
        "row 1, column 1", "row 1, column 2", "row 1, column 3", "row 1, column 4",
        "row 2, column 1",
    )  # fmt: skip
    assert (masker.regions[0, 0], masker.regions[0, 19], masker.regions[9, 0]) == (0, 3, 4)
    assert np.bincount(masker.regions.ravel()).tolist() == [25] * 8
    uneven = Image(picture(7, 11), "grid:3x2")
    assert np.bincount(uneven.regions.ravel()).min() >= 9


def test_superpixels_follow_edges():
    pixels = np.zeros((40, 40, 3), dtype=np.uint8)
    pixels[:, 20:] = 255
    masker = Image(pixels, "superpixels:8")
    left, right = set(masker.regions[:, :20].ravel()), set(masker.regions[:, 20:].ravel())
    assert not left & right
    assert left | right == set(range(masker.n_features))
    assert masker.features[0].startswith("region 1, top left")


def test_operators_by_hand():
    pixels = np.zeros((2, 4), dtype=np.uint8)
    pixels[:, :2] = [[10, 20], [30, 42]]
    pixels[:, 2:] = 200
    mask = [False, True]
    assert Image(pixels, "grid:2x1", "mean").mask_image(mask).tolist() == [[26, 26, 200, 200]] * 2
    assert Image(pixels, "grid:2x1", "grey").mask_image(mask).tolist() == [[128, 128, 200, 200]] * 2
    floats = Image(pixels / 255, "grid:2x1", "grey").mask_image(mask)
    assert floats[:, :2].tolist() == [[0.5, 0.5]] * 2
    blurred = Image(pixels, "grid:2x1", "blur:1").mask_image(mask)
    assert blurred[0, 0] < blurred[0, 1] and blurred[0, 2] == 200


@pytest.mark.parametrize("kind", ["uint8", "float64"])
@pytest.mark.parametrize("operator", ["mean", "blur", "blur:9", "inpaint"])
def test_hidden_colours_of_transparent_pixels_do_not_leak(operator, kind):
    full = 255 if kind == "uint8" else 1.0
    pixels = np.zeros((24, 24, 4), dtype=kind)
    pixels[..., 0] = pixels[..., 3] = full  # opaque red
    masked = []
    for hidden in (0, full):
        pixels[:, ::2] = [0, hidden, hidden, 0]  # each other column transparent, hidden cyan
        pixels[12:, :12] = [hidden, hidden, 0, 0]  # a quarter, hidden yellow
        masked.append(Image(pixels, "grid:2x2", operator).mask_image([1, 0, 0, 0]))
    absent = np.ones((24, 24), dtype=bool)
    absent[:12, :12] = False
    np.testing.assert_array_equal(masked[0][absent], masked[1][absent])
    seen = absent & (masked[0][..., 3] > 0.05 * full)
    assert seen.sum() > 100
    # What is seen is red all over.
    np.testing.assert_allclose(masked[0][seen][:, :3] / full, [[1, 0, 0]] * seen.sum(), atol=0.06)


def test_means_are_weighted_by_opacity():
    pixels = np.zeros((2, 4, 4), dtype=np.uint8)
    pixels[:, :2] = [[200, 0, 0, 255], [0, 100, 0, 51]]
    mean = Image(pixels, "grid:2x1").mask_image([0, 1])
    # 255 parts of the first colour and 51 of the second; opacity is the plain mean.
    assert mean[0, 0].tolist() == [round(200 * 5 / 6), round(100 / 6), 0, 153]
    assert Image(pixels, "grid:2x1").mask_image([1, 0])[0, 3].tolist() == [255, 255, 255, 0]


@pytest.mark.parametrize("sigma", [1, 8, 15.5, 40])
def test_blurs_are_gaussian(sigma):
    pixels = np.random.default_rng(0).random((150, 190, 3))
    pixels[40:90, 50:120] = 0
    masked = Image(pixels, "grid:2x1", f"blur:{sigma}").mask_image([0, 0])
    exact = gaussian_filter(pixels, sigma, mode="nearest", axes=(0, 1))
    np.testing.assert_allclose(masked, exact, atol=0.015)


def test_grey_keeps_transparency():
    pixels = picture(channels=4)
    grey = Image(pixels, "grid:2x2", "grey").mask_image([False] * 4)
    np.testing.assert_array_equal(grey[..., 3], pixels[..., 3])
    assert set(grey[..., :3].ravel()) == {128}


def test_inpainting_of_many_pixels_is_refused():
    picture = np.zeros((600, 1000, 3), dtype=np.uint8)
    with pytest.raises(ArgumentError, match="1,000 x 600 pixels; the limit is 524,288 in all"):
        Image(picture, "grid:2x2", "inpaint")
    Image(picture, "grid:2x2", "blur")


def test_inpainting_continues_what_is_there():
    ramp = np.tile(np.linspace(0, 1, 24), (12, 1))
    masker = Image(ramp, "grid:3x1", "inpaint")
    np.testing.assert_allclose(masker.mask_image([1, 0, 1]), ramp, atol=0.02)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "CMYK", "1", "LA"])
def test_pil_images_and_files(mode, tmp_path):
    image = PIL.fromarray(picture()).convert(mode)
    masker = Image(image, "grid:2x2")
    (whole,) = masker.apply([[1, 1, 1, 1]])
    expected = image if mode in ("L", "RGB", "RGBA") else image.convert(whole.mode)
    assert whole.size == image.size
    np.testing.assert_array_equal(np.asarray(whole), np.asarray(expected))
    if mode in ("L", "RGB", "RGBA", "P"):
        image.save(tmp_path / "a.png")
        from_file = Image(tmp_path / "a.png", "grid:2x2")
        np.testing.assert_array_equal(
            from_file.mask_image([1, 1, 1, 1]), masker.mask_image([1, 1, 1, 1])
        )
        assert from_file.describe() == masker.describe()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["png", "jpeg", "tiff", "webp"])
def test_photographs_are_upright_however_they_come(orientation, kind, tmp_path):
    image = PIL.fromarray(picture(10, 20))
    tags = image.getexif()
    tags[0x0112] = orientation
    options = {} if kind in ("png", "tiff") else {"quality": 100}
    image.save(tmp_path / "a", kind, exif=tags, **options)
    content = (tmp_path / "a").read_bytes()
    with PIL.open(tmp_path / "a") as opened:
        expected = np.asarray(exif_transpose(opened))
    with PIL.open(tmp_path / "a") as opened:
        ways = [str(tmp_path / "a"), tmp_path / "a", content, opened]
        for way in ways:
            masker = Image(way, "grid:2x2")
            np.testing.assert_array_equal(masker.mask_image([1] * 4), expected)
            assert masker.notes == ()


def test_large_photographs_are_scaled_down(tmp_path):
    whole = PIL.fromarray(picture(30, 45)).resize((4500, 3000))
    tags = whole.getexif()
    tags[0x0112] = 6
    whole.save(tmp_path / "a.jpg", exif=tags)
    masker = Image(tmp_path / "a.jpg", "grid:3x2", "blur:100")
    height, width = masker.regions.shape
    assert 0.99 * 2**21 < height * width <= 2**21
    assert height / width == pytest.approx(1.5, rel=0.01)
    assert masker.notes == (
        f"The picture of 3,000 x 4,500 pixels was scaled down to {width:,} x {height:,}, which the "
        "model is given; an array is taken as it is.",
    )
    explained = PredictFunction(masker, lambda images: [images[0].size[0]] * len(images))
    assert explained.contexts()[0].notes == masker.notes
    # Sigma is in pixels of the picture as given.
    small = np.asarray(whole.rotate(-90, expand=True).resize((width, height)))
    blurred = Image(small, "grid:3x2", f"blur:{100 * width / 3000}").mask_image([0] * 6)
    np.testing.assert_allclose(masker.mask_image([0] * 6), blurred, atol=4)
    assert Image(np.asarray(whole), "grid:3x2").regions.shape == (3000, 4500)


def test_pictures_of_more_pixels_than_pillow_likes(tmp_path):
    PIL.new("L", (9_500, 9_500)).save(tmp_path / "a.jpg")
    assert Image(tmp_path / "a.jpg", "grid:3x2").regions.size <= 2**21
    PIL.new("1", (20_000, 10_000)).save(tmp_path / "b.png")
    with pytest.raises(ArgumentError, match="cannot be read as a picture: Image size"):
        Image(tmp_path / "b.png")


def test_prompts_hold_the_picture():
    masker = Image(picture(), "grid:2x1", "grey", prompt="What is it?", system="Be brief.")
    prompt = masker.render([True, False])
    assert prompt.text == "What is it?"
    assert prompt.messages[0].content == "Be brief."
    (url,) = prompt.messages[-1].images
    kind, data = url.split(",")
    assert kind == "data:image/png;base64"
    shown = np.asarray(PIL.open(io.BytesIO(base64.b64decode(data))))
    np.testing.assert_array_equal(shown, masker.mask_image([True, False]))
    assert masker.render([True, False]) == prompt
    assert masker.render([True, True]) != prompt


def test_models_that_take_no_images_are_given_none():
    masker = Image(picture(), "grid:2x1", prompt="What is it?")
    with pytest.raises(ArgumentError, match="'table' takes no images"):
        ValueFunction(masker, TableModel(lambda prompt, answer: -1.0), LogProb("a dog"))

    class Sees(TableModel):
        takes_images = True

    value = ValueFunction(masker, Sees(lambda prompt, answer: -1.0), LogProb("a dog"))
    assert value([[1, 0]]).tolist() == [-1.0]


def test_many_pictures_are_made_in_turns():
    seen = []

    class Sees(TableModel):
        takes_images = True

        def log_probs(self, prompts, answers):
            seen.append(len(prompts))
            for number, prompt in enumerate(prompts):
                yield number, [np.array([-float(len(prompt.messages[0].images[0]))])]

    masker = Image(picture(), "grid:4x2")
    value = ValueFunction(masker, Sees(lambda prompt, answer: -1.0), LogProb("yes"))
    masks = np.arange(150)[:, None] >> np.arange(8) & 1
    values = value(masks)
    assert seen == [64, 64, 22]
    sizes = [-len(masker.render(mask).messages[0].images[0]) for mask in masks]
    assert values.tolist() == sizes


def test_predict_functions_get_what_was_given():
    value = PredictFunction(
        Image(picture(), "grid:2x1"), lambda pixels: pixels.mean(axis=(1, 2, 3))
    )
    assert value([[1, 1]])[0] == pytest.approx(picture().mean())
    images = PIL.fromarray(picture())
    value = PredictFunction(
        Image(images, "grid:2x1"), lambda many: [np.asarray(one).mean() for one in many]
    )
    assert value([[1, 1]])[0] == pytest.approx(picture().mean())


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("size", [(24, 30), (3, 4), (900, 300)])
def test_reports_show_every_region_where_it_is(unit, size):
    if unit.startswith("superpixels") and size == (3, 4):
        unit = "superpixels:3"
    masker = Image(picture(*size), unit)
    (part,) = masker.parts
    assert parts_from_json(json.loads(json.dumps([part.to_json()])), masker.n_features) == (part,)
    assert 300 < max(part.width, part.height) <= 640
    assert part.width / part.height == pytest.approx(size[1] / size[0], rel=0.02)
    assert {number for row in part.cells for number in row} <= set(range(masker.n_features))
    for number, path in part.outlines:
        x, y = np.array([point.split(",") for point in re.split("[MLZ]+", path) if point], float).T
        rows, columns = np.nonzero(masker.regions == number)
        scale = part.width / size[1]
        assert x.min() == pytest.approx(columns.min() * scale, abs=scale + 2)
        assert x.max() == pytest.approx((columns.max() + 1) * scale, abs=scale + 2)
        assert y.min() == pytest.approx(rows.min() * scale, abs=scale + 2)
        assert y.max() == pytest.approx((rows.max() + 1) * scale, abs=scale + 2)


def test_transparent_pictures_are_shown_on_white():
    pixels = picture(channels=4)
    pixels[..., 3] = 0
    (part,) = Image(pixels).parts
    data = base64.b64decode(part.picture.partition(",")[2])
    assert np.asarray(PIL.open(io.BytesIO(data))).min() > 250


def test_later_changes_of_the_array_do_not_reach_it():
    pixels = picture()
    masker = Image(pixels, "grid:2x1")
    pixels[:] = 0
    assert masker.mask_image([1, 1]).max() > 0
    masker.mask_image([1, 1])[:] = 0
    assert masker.mask_image([1, 1]).max() > 0


def test_identity_is_content():
    def described(pixels=None, *options, **more):
        pixels = picture() if pixels is None else pixels
        return json.dumps(Image(pixels, *options, **more).describe())

    different = [
        described(),
        described(picture(seed=1)),
        described(picture() / 255),
        described(picture(), "grid:4x2"),
        described(picture(), "superpixels:8"),
        described(picture(), operator="grey"),
        described(prompt="What?"),
        described(system="Be brief."),
    ]
    assert described() == described()
    assert len(set(different)) == len(different)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image": 3}, "image is a int; give a path"),
        ({"image": "missing.png"}, "image missing.png: cannot be read as a picture"),
        ({"image": __file__}, "cannot be read as a picture"),
        ({"image": PIL.new("I;16", (8, 8))}, "image is of mode I;16, not of 8 bits a channel"),
        ({"image": PIL.new("F", (8, 8))}, "image is of mode F"),
        ({"image": np.zeros((3, 8, 8))}, r"image has shape \(3, 8, 8\); .* channels, which come"),
        ({"image": np.zeros((0, 8, 3))}, "there are no pixels"),
        ({"image": np.zeros((8, 8), dtype=np.int64)}, "values of type int64; give uint8"),
        ({"image": np.full((8, 8), 1.5)}, r"from 1.5 to 1.5; give floats in \[0, 1\]"),
        ({"image": np.full((8, 8), np.nan)}, "from nan to nan"),
        ({"unit": "patch"}, "unit='patch' is unknown; use 'grid:COLUMNSxROWS'"),
        ({"unit": "grid:8"}, "unit='grid:8' is unknown"),
        ({"unit": 8}, "unit=8 is unknown"),
        ({"unit": "grid:31x2"}, "does not fit a picture of 30x24 pixels; use 1 to 30 columns"),
        ({"unit": "grid:0x2"}, "does not fit"),
        ({"unit": "grid:1x1"}, "gives one region; nothing to attribute"),
        ({"unit": "superpixels:1"}, "use 2 to 720 superpixels"),
        ({"operator": "delete"}, "operator='delete' is unknown; use 'mean'"),
        ({"operator": "blur:0"}, "operator='blur:0' is unknown"),
        ({"operator": "blur:0." + "0" * 400 + "1"}, "is unknown"),
        ({"operator": "blur:999999"}, "the limit for this picture is blur:30, its longer side"),
        ({"operator": "blur:" + "9" * 5000}, "the limit for this picture is blur:30"),
        ({"unit": "grid:999999x2"}, "unit='grid:999999x2': the limit is 16,384 regions"),
        ({"unit": f"grid:{'9' * 5000}x1"}, "the limit is 16,384 regions; use fewer"),
        ({"unit": "superpixels:" + "9" * 5000}, "the limit is 16,384 regions"),
        ({"image": b"no picture"}, "image: cannot be read as a picture"),
        ({"operator": None}, "operator=None is unknown"),
        ({"prompt": None}, "prompt must be a str, not NoneType"),
        ({"system": 3}, "system must be a str or None"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        Image(**({"image": picture()} | arguments))


@pytest.mark.parametrize("mask", [[1], [1, 2], [[1, 0]]])
def test_wrong_masks(mask):
    with pytest.raises(ArgumentError, match="mask"):
        Image(picture(), "grid:2x1").mask_image(mask)


def test_missing_libraries_are_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage.segmentation", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'spex-explain\[image\]'"):
        Image(picture(), "superpixels:4")
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'spex-explain\[image\]'"):
        Image("a.png")

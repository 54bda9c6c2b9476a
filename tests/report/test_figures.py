"""Pictures show what they are given, where it belongs."""

import io

import numpy as np
from PIL import Image

from genjax.report import figures
from genjax.report.figures import sheet


def test_images_stand_in_rows_with_gaps_between_them():
    images = np.arange(30.0).reshape(5, 2, 3)
    whole = sheet(images, 3)
    assert whole.shape == (5, 11)
    for i, image in enumerate(images):
        top, left = 3 * (i // 3), 4 * (i % 3)
        np.testing.assert_array_equal(whole[top : top + 2, left : left + 3], image)
    assert np.isnan(whole).sum() == whole.size - images.size


def test_colours_stand_where_their_images_do():
    images = np.arange(72.0).reshape(4, 2, 3, 3)
    whole = sheet(images, 2)
    assert whole.shape == (5, 7, 3)
    np.testing.assert_array_equal(whole[3:5, 4:7], images[3])
    coloured = figures.image_sheet("colours", images / 72)
    assert (coloured.suffix, coloured.pixelated) == (".png", True)


def test_panels_of_lines_bars_and_places_are_drawn():
    points = np.random.default_rng(0).normal(size=(20, 2))
    panels = [
        figures.histogram("spread", points[:, :1], limit=3.0),
        figures.bars("modes", [3, 0, 5], 2.5, xlabel="mode", ylabel="samples"),
        figures.lines("curves", [0, 1], {"one": [0, 1], "two": [1, 0]}, xlabel="x", ylabel="y"),
        figures.landscape("logit", np.zeros((4, 4)), points, limit=3.0, label="logit"),
    ]
    assert [panel.suffix for panel in panels] == [".svg", ".svg", ".svg", ".png"]
    assert all(len(panel.data) > 1000 for panel in panels)


def test_pictures_stand_side_by_side_each_in_its_place():
    black, white = (figures.image_sheet("", np.full((1, 8, 8), ink), columns=1).data for ink in (1, 0))
    whole = figures.side_by_side({"a": black, "b": white, "c": black}, columns=2)
    pixels = np.asarray(Image.open(io.BytesIO(whole)))
    height, width = pixels.shape[0] // 2, pixels.shape[1] // 2
    middles = [pixels[h + height // 2, w + width // 2] for h in (0, height) for w in (0, width)]
    np.testing.assert_array_equal(middles, [[0, 0, 0, 255], [255] * 4, [0, 0, 0, 255], [0] * 4])

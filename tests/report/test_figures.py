"""Pictures show what they are given, where it belongs."""

import numpy as np
from genjax.training.figures import _sheet


def test_images_stand_in_rows_with_gaps_between_them():
    images = np.arange(30.0).reshape(5, 2, 3)
    sheet = _sheet(images, 2, 3, 1)
    assert sheet.shape == (5, 11)
    for i, image in enumerate(images):
        top, left = 3 * (i // 3), 4 * (i % 3)
        np.testing.assert_array_equal(sheet[top : top + 2, left : left + 3], image)
    assert np.isnan(sheet).sum() == sheet.size - images.size

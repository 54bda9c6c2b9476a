"""Pictures show what they are given, where it belongs."""

import numpy as np

from genjax.report.figures import sheet


def test_images_stand_in_rows_with_gaps_between_them():
    images = np.arange(30.0).reshape(5, 2, 3)
    whole = sheet(images, 3)
    assert whole.shape == (5, 11)
    for i, image in enumerate(images):
        top, left = 3 * (i // 3), 4 * (i % 3)
        np.testing.assert_array_equal(whole[top : top + 2, left : left + 3], image)
    assert np.isnan(whole).sum() == whole.size - images.size

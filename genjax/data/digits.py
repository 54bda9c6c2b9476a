"""Handwritten digits that need no download: 1,797 images of 8×8 pixels and 17 grey levels."""

import numpy as np

from genjax.data.dataset import Dataset

__all__ = ["digits"]

NUM_VALIDATION = 200
NUM_TEST = 300


def digits(*, seed: int = 0) -> Dataset:
    """The digits that scikit-learn ships, in a split fixed by the seed.

    1,297 images to train on, 200 to validate, 300 to test; each pixel a level in 0..16, as unsigned bytes.

    Args:
        seed: of the split.

    Returns:
        `Dataset` with labels and `num_levels=17`.

    Source: Alpaydin and Kaynak (1998), the test part of the optical recognition set.

    >>> digits().test.shape
    (300, 8, 8)
    """
    from sklearn.datasets import load_digits  # an extra: the other data sets do without it

    pixels, classes = load_digits(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(classes))
    images = pixels.reshape(-1, 8, 8).astype(np.uint8)[order]
    labels = classes.astype(np.int32)[order]
    cuts = [len(images) - NUM_VALIDATION - NUM_TEST, len(images) - NUM_TEST]
    (train, validation, test), split_labels = np.split(images, cuts), np.split(labels, cuts)
    return Dataset("digits", train, validation, test, *split_labels, num_levels=17)

"""Data sets by the names that command lines use."""

from collections.abc import Callable
from itertools import accumulate

import jax
import jax.numpy as jnp

from genjax.data.curves import TwoMoons, TwoSpirals
from genjax.data.dataset import Dataset, Density
from genjax.data.digits import digits
from genjax.data.gaussians import GaussianGrid, GaussianLine, GaussianRing
from genjax.data.mnist import binarized_mnist, fashion_mnist, mnist, stacked_mnist
from genjax.data.toy import Checkerboard, Circle, Pinwheel

__all__ = ["DENSITIES", "IMAGES", "load"]

NUM_POINTS = (1_000_000, 10_000, 20_000)
"""Points of a density to train on, to validate and to test: so many that a network cannot learn them by heart."""

DENSITIES: dict[str, Density] = {
    "checkerboard": Checkerboard(),
    "circle": Circle(),
    "grid": GaussianGrid(),
    "line": GaussianLine(),
    "moons": TwoMoons(),
    "pinwheel": Pinwheel(),
    "ring": GaussianRing(),
    "spirals": TwoSpirals(),
}
"""The densities that are known: in the plane, but for the line."""

IMAGES: dict[str, Callable[[bool], Dataset]] = {
    "digits": lambda download: digits(),
    "mnist": lambda download: mnist(download=download),
    "fashion-mnist": lambda download: fashion_mnist(download=download),
    "binarized-mnist": lambda download: binarized_mnist(download=download),
    "stacked-mnist": lambda download: stacked_mnist(download=download),
}
"""The sets of images; the argument says whether missing files may be fetched."""


def load(name: str, *, download: bool = False) -> Dataset:
    """A data set by its name.

    Args:
        name: a key of `DENSITIES` or of `IMAGES`.
        download: whether missing files may be fetched.

    Returns:
        `Dataset`; that of a density is a million points, drawn with one fixed key, and holds the density.

    Raises:
        ValueError: an unknown name.
        DataError: files are missing or damaged.

    >>> load("digits").train.shape
    (1297, 8, 8)
    """
    if name in IMAGES:
        return IMAGES[name](download)
    if name not in DENSITIES:
        raise ValueError(f"data sets are {', '.join(sorted(DENSITIES | IMAGES))}; got {name!r}")
    density = DENSITIES[name]
    points = density.sample(jax.random.key(0), sum(NUM_POINTS))
    train, validation, test = jnp.split(points, list(accumulate(NUM_POINTS))[:2])
    return Dataset(name, train, validation, test, density=density)

"""Data sets, as arrays in memory, and toy densities with exact samplers and log-densities."""

from genjax.data.curves import TwoMoons, TwoSpirals
from genjax.data.dataset import Dataset, binarize, centred_levels
from genjax.data.digits import digits
from genjax.data.files import DataError
from genjax.data.gaussians import GaussianGrid, GaussianRing
from genjax.data.mnist import binarized_mnist, fashion_mnist, mnist
from genjax.data.toy import Checkerboard, Circle, Pinwheel

__all__ = [
    "Checkerboard",
    "Circle",
    "DataError",
    "Dataset",
    "GaussianGrid",
    "GaussianRing",
    "Pinwheel",
    "TwoMoons",
    "TwoSpirals",
    "binarize",
    "binarized_mnist",
    "centred_levels",
    "digits",
    "fashion_mnist",
    "mnist",
]

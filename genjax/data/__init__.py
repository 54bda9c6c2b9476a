"""Data sets, as arrays in memory, and toy densities with exact samplers and log-densities."""

from genjax.data.catalogue import DENSITIES, IMAGES, load
from genjax.data.curves import TwoMoons, TwoSpirals
from genjax.data.dataset import Dataset, Density, Spec, binarize, centred_levels, evenly_spaced
from genjax.data.digits import digits
from genjax.data.gaussians import GaussianGrid, GaussianLine, GaussianRing
from genjax.data.mnist import binarized_mnist, fashion_mnist, mnist, stacked_mnist
from genjax.data.toy import Checkerboard, Circle, Pinwheel
from genjax.data.views import View
from genjax.faults import DataError

__all__ = [
    "DENSITIES",
    "IMAGES",
    "Checkerboard",
    "Circle",
    "DataError",
    "Dataset",
    "Density",
    "GaussianGrid",
    "GaussianLine",
    "GaussianRing",
    "Pinwheel",
    "Spec",
    "TwoMoons",
    "TwoSpirals",
    "View",
    "binarize",
    "binarized_mnist",
    "centred_levels",
    "digits",
    "evenly_spaced",
    "fashion_mnist",
    "load",
    "mnist",
    "stacked_mnist",
]

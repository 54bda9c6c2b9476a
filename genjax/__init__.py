"""Losses of generative modelling, written as the mathematics writes them.

Importing `genjax` loads nothing but itself: each family is imported when it is first touched.

>>> import genjax
>>> print(f"{genjax.bits_per_dim(2.0, 4, num_levels=1):.4f}")
0.7213
"""

import importlib

from genjax import _guard as _guard

__version__ = "0.1.0"

_MODULES = (
    "autoencoder",
    "batching",
    "data",
    "densities",
    "divergences",
    "likelihood",
    "metrics",
    "nn",
    "oracles",
    "training",
    "vae",
)
_FUNCTIONS = {
    "Kind": "likelihood",
    "Likelihood": "likelihood",
    "bits_per_dim": "likelihood",
    "checked": "_checks",
    "dequantize": "likelihood",
    "expectation": "batching",
    "per_example": "batching",
}

__all__ = [*_MODULES, *_FUNCTIONS]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str):
    if name in _MODULES:
        return importlib.import_module(f"genjax.{name}")
    if name in _FUNCTIONS:
        return getattr(importlib.import_module(f"genjax.{_FUNCTIONS[name]}"), name)
    raise AttributeError(f"module 'genjax' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

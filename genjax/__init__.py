"""Losses of generative modelling, written as the mathematics writes them.

Importing `genjax` loads nothing but itself: each family is imported when it is first touched.

>>> import genjax
>>> print(f"{genjax.bits_per_dim(2.0, 4, num_levels=1):.4f}")
0.7213
"""

import importlib
from typing import TYPE_CHECKING, Any

from genjax import _guard as _guard

if TYPE_CHECKING:
    from genjax import (
        autoencoder,
        autoregressive,
        batching,
        data,
        densities,
        divergences,
        energy,
        flow,
        likelihood,
        metrics,
        nn,
        oracles,
        structures,
        training,
        transport,
        vae,
    )
    from genjax._checks import checked
    from genjax.batching import expectation, per_example
    from genjax.likelihood import Kind, Likelihood, bits_per_dim, dequantize
    from genjax.structures import Bound

__version__ = "0.1.0"

__all__ = [
    "Bound",
    "Kind",
    "Likelihood",
    "autoencoder",
    "autoregressive",
    "batching",
    "bits_per_dim",
    "checked",
    "data",
    "densities",
    "dequantize",
    "divergences",
    "energy",
    "expectation",
    "flow",
    "likelihood",
    "metrics",
    "nn",
    "oracles",
    "per_example",
    "structures",
    "training",
    "transport",
    "vae",
]

_HOME = {
    "Bound": "structures",
    "Kind": "likelihood",
    "Likelihood": "likelihood",
    "bits_per_dim": "likelihood",
    "checked": "_checks",
    "dequantize": "likelihood",
    "expectation": "batching",
    "per_example": "batching",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"genjax.{_HOME[name]}"), name)
    if name in __all__:
        return importlib.import_module(f"genjax.{name}")
    raise AttributeError(f"module 'genjax' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

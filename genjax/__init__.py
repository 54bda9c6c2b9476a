"""Losses of generative modelling, written as the mathematics writes them.

Importing `genjax` loads nothing but itself: each family is imported when it is first touched.

>>> import genjax
>>> print(f"{genjax.bits_per_dim(2.0, 4, num_levels=1):.4f}")
0.7213
"""

from typing import TYPE_CHECKING

from genjax import _guard as _guard
from genjax import _lazy

if TYPE_CHECKING:
    from genjax import autoencoder as autoencoder
    from genjax import autoregressive as autoregressive
    from genjax import batching as batching
    from genjax import data as data
    from genjax import densities as densities
    from genjax import diffusion as diffusion
    from genjax import divergences as divergences
    from genjax import energy as energy
    from genjax import faults as faults
    from genjax import flow as flow
    from genjax import flow_matching as flow_matching
    from genjax import gan as gan
    from genjax import likelihood as likelihood
    from genjax import metrics as metrics
    from genjax import nn as nn
    from genjax import oracles as oracles
    from genjax import recipes as recipes
    from genjax import report as report
    from genjax import score as score
    from genjax import structures as structures
    from genjax import training as training
    from genjax import transport as transport
    from genjax import vae as vae
    from genjax._checks import checked as checked
    from genjax.batching import expectation as expectation
    from genjax.batching import per_example as per_example
    from genjax.likelihood import Kind as Kind
    from genjax.likelihood import Likelihood as Likelihood
    from genjax.likelihood import bits_per_dim as bits_per_dim
    from genjax.likelihood import dequantize as dequantize
    from genjax.structures import Bound as Bound

__version__ = "0.1.0"

_lazy.attach(__name__)

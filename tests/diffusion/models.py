"""A mixture whose diffusion is known, and schedules of every kind."""

import jax.numpy as jnp
import numpy as np

from genjax import diffusion as D
from genjax.oracles import GaussianMixture

SCHEDULES = {
    "linear": D.linear_schedule(),
    "cosine": D.cosine_schedule(),
    "zero terminal": D.rescale_zero_terminal_snr(D.linear_schedule()),
    "vp": D.variance_preserving(),
    "ve": D.variance_exploding(0.01, 50.0),
    "rectified": D.rectified(),
    "edm": D.edm(),
    "log snr": D.log_snr_linear(9.0, -9.0),
}
MEANS = np.array([[-1.0, 0.5], [1.5, -0.5]])
COVS = np.array([[[0.25, 0.1], [0.1, 0.3]], [[0.1, 0.0], [0.0, 0.4]]])
WEIGHTS = np.array([0.3, 0.7])


def mixture(dtype=jnp.float32):
    return GaussianMixture(*(jnp.asarray(a, dtype) for a in (WEIGHTS, MEANS, COVS)))


def is_discrete(schedule):
    return isinstance(schedule, D.DiscreteSchedule)


def middle(schedule):
    """A time in the middle of the noise."""
    return jnp.asarray(400) if is_discrete(schedule) else jnp.asarray(0.4)

"""Models whose answers are known in closed form, to test losses, estimators and samplers against."""

from genjax.oracles.autoregressive_table import AutoregressiveTable
from genjax.oracles.discrete_gan import DiscreteGan, PlayerLosses
from genjax.oracles.enumerable_energy import EnumerableEnergy
from genjax.oracles.gaussian_mixture import GaussianMixture
from genjax.oracles.linear_gaussian import LinearGaussian
from genjax.oracles.samplers import SamplerReport, check_sampler

__all__ = [
    "AutoregressiveTable",
    "DiscreteGan",
    "EnumerableEnergy",
    "GaussianMixture",
    "LinearGaussian",
    "PlayerLosses",
    "SamplerReport",
    "check_sampler",
]

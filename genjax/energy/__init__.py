"""Energy-based models: p(x) = exp(−E(x)) / Z, with Z known, bounded, estimated or avoided.

A model is one callable of one state, `energy_fn(x) -> scalar` in nats. An energy of +∞ is a probability of zero; NaN
and −∞ are faults. `log_partition_quadrature` and `log_partition_enumeration` compute log Z where a grid or a list of
states can; `annealed_bracket` bounds it where none can; the objectives in `learning` do without it.
"""

from genjax.energy.annealing import (
    AnnealedRun,
    Bracket,
    annealed_bracket,
    annealed_importance_sampling,
    geometric_path,
)
from genjax.energy.langevin import MetropolisChain, metropolis_langevin
from genjax.energy.learning import contrastive_divergence, noise_contrastive_estimation
from genjax.energy.partition import LogPartition, log_partition_enumeration, log_partition_quadrature
from genjax.energy.rbm import RestrictedBoltzmann, base_rate_logits, boltzmann_bracket
from genjax.energy.replay import ReplayBuffer

__all__ = [
    "AnnealedRun",
    "Bracket",
    "LogPartition",
    "MetropolisChain",
    "ReplayBuffer",
    "RestrictedBoltzmann",
    "annealed_bracket",
    "annealed_importance_sampling",
    "base_rate_logits",
    "boltzmann_bracket",
    "contrastive_divergence",
    "geometric_path",
    "log_partition_enumeration",
    "log_partition_quadrature",
    "metropolis_langevin",
    "noise_contrastive_estimation",
]

"""Log-densities of one event in nats: every function returns the sum over the event."""

from genjax.densities.discretized import (
    discretized_logistic_log_prob,
    discretized_logistic_mixture_log_prob,
    discretized_normal_log_prob,
)
from genjax.densities.elementary import (
    bernoulli_log_prob,
    categorical_log_prob,
    continuous_bernoulli_log_prob,
    mixture_log_prob,
    normal_log_prob,
    standard_normal_log_prob,
)

__all__ = [
    "bernoulli_log_prob",
    "categorical_log_prob",
    "continuous_bernoulli_log_prob",
    "discretized_logistic_log_prob",
    "discretized_logistic_mixture_log_prob",
    "discretized_normal_log_prob",
    "mixture_log_prob",
    "normal_log_prob",
    "standard_normal_log_prob",
]

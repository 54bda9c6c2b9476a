"""Adversarial games: losses of two players, on logits, of one pair of examples.

A critic is any callable of one event, `critic(x) -> scalar`, the logit of "x is real". A game is two functions of the
logits of a real and of a generated example; `jax.vmap` and a mean make the objective of either player. Noise, labels
and what a player shares reach it by closure. A critic of several examples at once (packing, Lin et al., 2018) is a
critic of one stacked event, and a conditional one closes over its label.

`minimax`, `non_saturating` and `f_gan(…)` share one optimal logit, log p_data(x) − log p_model(x).
"""

from genjax.gan.games import (
    FDivergence,
    Game,
    f_gan,
    hinge,
    kl,
    least_squares,
    minimax,
    minimax_value,
    non_saturating,
    relativistic,
    reverse_kl,
    smoothed,
    wasserstein,
)
from genjax.gan.optimum import optimal_logit, value_at_optimum
from genjax.gan.penalties import gradient_penalty, squared_gradient_norm

__all__ = [
    "FDivergence",
    "Game",
    "f_gan",
    "gradient_penalty",
    "hinge",
    "kl",
    "least_squares",
    "minimax",
    "minimax_value",
    "non_saturating",
    "optimal_logit",
    "relativistic",
    "reverse_kl",
    "smoothed",
    "squared_gradient_norm",
    "value_at_optimum",
    "wasserstein",
]

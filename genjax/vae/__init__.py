"""Variational autoencoders: the evidence lower bound, its importance-weighted forms and their gradients.

A model is two callables of one example: `encode(x) -> (mean, log_var)`, the diagonal Gaussian q(z|x), and
`log_likelihood(x, z) -> scalar`, log p(x|z) in nats.
"""

from genjax.vae.diagnostics import active_units, collapsed_units, unit_kl
from genjax.vae.elbo import ElboTerms, elbo_terms, negative_elbo, reparameterize
from genjax.vae.estimators import (
    doubly_reparameterized,
    pathwise,
    score_function,
    sticking_the_landing,
)
from genjax.vae.hierarchical import HierarchicalTerms, hierarchical_elbo, hierarchical_elbo_terms
from genjax.vae.importance import importance_weighted_elbo, log_evidence, log_mean_weight

__all__ = [
    "ElboTerms",
    "HierarchicalTerms",
    "active_units",
    "collapsed_units",
    "doubly_reparameterized",
    "elbo_terms",
    "hierarchical_elbo",
    "hierarchical_elbo_terms",
    "importance_weighted_elbo",
    "log_evidence",
    "log_mean_weight",
    "negative_elbo",
    "pathwise",
    "reparameterize",
    "score_function",
    "sticking_the_landing",
    "unit_kl",
]

"""Autoregressive models: exact likelihood by the chain rule, and sampling one level after another.

A model is one callable of a flat sequence of levels 0..K−1: `logits_fn(x) -> logits [n, K]`, whose row i, the
unnormalised log-probabilities of x_i, sees only `x[:i]`.

Other conditionals need no other function. A density of `genjax.densities`, which sums over the event, is the chain
rule when its parameters are causal: `discretized_logistic_mixture_log_prob(x, *parameters_fn(levels))`. One of levels
also gives a logit to each of them (`genjax.nn.logistic_mixture_logits`), with which everything here applies.
"""

from genjax.autoregressive.causality import assert_causal, reordered
from genjax.autoregressive.classes import ClassLogProbs, bayes_rule
from genjax.autoregressive.likelihood import ensemble_log_prob, log_prob, negative_log_likelihood
from genjax.autoregressive.masks import made_masks, random_degrees, sequential_degrees
from genjax.autoregressive.sampling import cached_sample, sample

__all__ = [
    "ClassLogProbs",
    "assert_causal",
    "bayes_rule",
    "cached_sample",
    "ensemble_log_prob",
    "log_prob",
    "made_masks",
    "negative_log_likelihood",
    "random_degrees",
    "reordered",
    "sample",
    "sequential_degrees",
]

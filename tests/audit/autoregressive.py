"""Autoregressive models."""

import jax.numpy as jnp
import numpy as np

from genjax import autoregressive

from .case import Case
from .exact import log, log_softmax, log_sum_exp
from .grid import stack

X = np.array([2, 0, 1])
TABLES = stack(
    *[([[g, 0.0, -1.0], [0.0, -g, 1e-6], [g, 1.0, 0.5]],) for g in (-100.0, -20.0, -1e-6, 3.0, 17.0, 100.0)]
)
RULE = stack(*[([a, a + g, a - 1], [0.25, 0.25, 0.5]) for a in (0.0, -1e4) for g in (1e-6, 1.0, 20.0, 100.0)])


def chain_rule(table):
    return sum(log_softmax(row)[k] for row, k in zip(table, X, strict=True))


def posterior(log_likelihoods, prior):
    joint = log_likelihoods + log(prior)
    return joint, log_sum_exp(joint), log_softmax(joint)


CASES = {
    "genjax.autoregressive.log_prob": [
        Case(lambda t: autoregressive.log_prob(lambda x: t, jnp.array(X)), TABLES, chain_rule),
    ],
    "genjax.autoregressive.negative_log_likelihood": [
        Case(
            lambda t: autoregressive.negative_log_likelihood(lambda x: t, jnp.array(X)),
            TABLES,
            lambda t: -chain_rule(t),
        ),
    ],
    "genjax.autoregressive.ensemble_log_prob": [
        Case(
            lambda s, t: autoregressive.ensemble_log_prob([lambda x: s, lambda x: t], jnp.array(X)),
            (TABLES[0], TABLES[0][::-1]),
            lambda s, t: (
                log_sum_exp(np.array([chain_rule(s), chain_rule(t)], object))
                - log_sum_exp(np.zeros(2, object))
            ),
            terms=lambda s, t: [1.0, 0.0, 0.0],
        )
    ],
    "genjax.autoregressive.bayes_rule": [
        Case(
            lambda likelihoods, prior: autoregressive.bayes_rule(
                lambda x, y: likelihoods[y], jnp.zeros(2), jnp.log(prior)
            ),
            RULE,
            posterior,
            # A log-posterior near 0 is a difference of log-probabilities, its gradient one of probabilities.
            terms=lambda a, p: [np.abs(a).max(1), 1.0, 1 / p.min(1)],
        )
    ],
}

EXEMPT = {
    "genjax.autoregressive.ClassLogProbs": "a record",
    "genjax.autoregressive.assert_causal": "a check: it returns nothing",
    "genjax.autoregressive.made_masks": "comparisons of integers",
    "genjax.autoregressive.random_degrees": "integers",
    "genjax.autoregressive.sequential_degrees": "integers",
}

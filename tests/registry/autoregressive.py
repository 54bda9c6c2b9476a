"""Autoregressive models."""

from functools import partial

import jax
import jax.numpy as jnp

from genjax import autoregressive

from .row import INTS, KEY, NAN, TWO, Row, normal


def causal_logits(table):
    """A causal network of one parameter array [n, K]: row i sees the running sum of the levels before it."""
    before = lambda x: jnp.cumsum(x) - x
    return lambda x: table * (1 + before(x).astype(table.dtype))[:, None]


def cached_logits(table):
    """The same network, one position at a time."""

    def step(total, token, position):
        total = total + token
        return total, table[position] * (1 + total.astype(table.dtype))

    return step


def logits_fn(x):
    return jnp.zeros((2, 3))


def sample(**options):
    return autoregressive.sample(KEY, logits_fn, 2, **options)


ROWS = {
    "genjax.autoregressive.bayes_rule": Row(
        lambda log_likelihoods, log_prior: autoregressive.bayes_rule(
            lambda x, y: log_likelihoods[y], jnp.zeros(2, int), jax.nn.log_softmax(log_prior)
        ),
        (normal(3), normal(3)),
    ),
    "genjax.autoregressive.cached_sample": Row(
        lambda key, table: autoregressive.cached_sample(key, cached_logits(table), jnp.array(0), 4),
        (KEY, normal(4, 3)),
        gradient="none",
    ),
    "genjax.autoregressive.ensemble_log_prob": Row(
        lambda *tables: autoregressive.ensemble_log_prob(
            [causal_logits(table) for table in tables], jnp.array([2, 0, 1, 1])
        ),
        (normal(4, 3), normal(4, 3)),
    ),
    "genjax.autoregressive.log_prob": Row(
        lambda table: autoregressive.log_prob(causal_logits(table), jnp.array([2, 0, 1, 1])), (normal(4, 3),)
    ),
    "genjax.autoregressive.negative_log_likelihood": Row(
        lambda table: autoregressive.negative_log_likelihood(
            causal_logits(table), jnp.array([2, 0, 1, 1], jnp.uint8)
        ),
        (normal(4, 3),),
    ),
    "genjax.autoregressive.reordered": Row(
        lambda table: autoregressive.reordered(causal_logits(table), (2, 0, 3, 1))(jnp.array([2, 0, 1, 1])),
        (normal(4, 3),),
    ),
    "genjax.autoregressive.sample": Row(
        lambda key, table: autoregressive.sample(key, causal_logits(table), 4),
        (KEY, normal(4, 3)),
        gradient="none",
    ),
}

RECORDS = {
    "genjax.autoregressive.ClassLogProbs": "tests/autoregressive/test_classes.py",
    "genjax.autoregressive.assert_causal": "tests/autoregressive/test_causality.py",
    "genjax.autoregressive.made_masks": "tests/autoregressive/test_masks.py",
    "genjax.autoregressive.random_degrees": "tests/autoregressive/test_masks.py",
    "genjax.autoregressive.sequential_degrees": "tests/autoregressive/test_masks.py",
}

STRUCTURE = [
    (partial(autoregressive.log_prob, logits_fn), (TWO,), TypeError, "x must be integer; got float32"),
    (
        partial(autoregressive.log_prob, logits_fn),
        (jnp.zeros((2, 2), int),),
        ValueError,
        r"one flat sequence, of shape \(n,\); got shape \(2, 2\)",
    ),
    (
        partial(autoregressive.log_prob, logits_fn),
        (jnp.zeros(0, int),),
        ValueError,
        r"x must hold at least one level; got shape \(0,\)",
    ),
    (
        partial(autoregressive.negative_log_likelihood, logits_fn),
        (jnp.zeros(3, int),),
        ValueError,
        r"x \(3,\), logits \(2, 3\)",
    ),
    (
        lambda x: autoregressive.ensemble_log_prob([], x),
        (INTS,),
        ValueError,
        "an ensemble needs at least one member",
    ),
    (
        lambda x: sample(prefix=x),
        (jnp.zeros(3, int),),
        ValueError,
        "the prefix must not be longer than the sequence: 3 > 2",
    ),
    (lambda x: sample(prefix=x), (TWO,), TypeError, "x must be integer; got float32"),
    (
        lambda x: autoregressive.sample(KEY, lambda x: x.astype(float), 2, prefix=x),
        (INTS,),
        ValueError,
        r"logits must have shape \(n = 2, K\); got \(2,\)",
    ),
    (
        lambda x: autoregressive.cached_sample(KEY, lambda c, t, i: (c, jnp.zeros((2, 3))), x, 2),
        (INTS,),
        ValueError,
        r"logits must have shape \(K\); got \(2, 3\)",
    ),
    (
        lambda x: autoregressive.bayes_rule(lambda x, y: 0.0, x, jnp.zeros((1, 1))),
        (TWO,),
        ValueError,
        r"log_prior must be a vector, one entry per class; got shape \(1, 1\)",
    ),
]

VALUES = [
    (
        partial(autoregressive.log_prob, logits_fn),
        (jnp.array([1, 3]),),
        r"x must lie in 0\.\.2; got 3 at flat position 1",
    ),
    (partial(autoregressive.log_prob, lambda x: NAN[:, None]), (INTS,), "logits must not be NaN"),
    (
        lambda log_prior: autoregressive.bayes_rule(lambda x, y: jnp.zeros(2)[y], INTS, log_prior),
        (TWO,),
        r"the sum of exp\(log_prior\) must be 1; got 2.0",
    ),
]

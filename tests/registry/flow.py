"""Normalizing flows."""

from functools import partial

import jax.numpy as jnp
import numpy as np

import genjax
from genjax import densities, flow

from .row import INTS, KEY, NAN, ONE, RNG, TWO, Row, normal


def both_ways(bijector, z):
    """A bijector's maps and log-determinants at one point, taken as noise and as data."""
    return bijector.forward(z), bijector.inverse(z)


def damped(rate, x, t):
    """A velocity field."""
    return rate * jnp.sin(x) * (1 + t)


def from_first(weight, x, *context):
    """A conditioner of two coordinates that reads the first, or the context."""
    source = context[0] if context else x[0]
    return jnp.outer(jnp.stack([jnp.zeros_like(source), jnp.sin(source)]), weight)


def couple(raw, mask):
    return flow.Coupling(genjax.Bound(raw, lambda raw, _: raw), flow.affine, mask)


def spline(widths, heights, slopes):
    return lambda x: flow.rational_quadratic_spline(x, *map(jnp.array, (widths, heights, slopes)))


FIRST = (True, False)

ROWS = {
    "genjax.flow.ActNorm": Row(
        lambda s, t, z: both_ways(flow.ActNorm(s, t), z), (normal(2), normal(2), normal(2, 3, 2))
    ),
    "genjax.flow.Affine": Row(
        lambda s, t, z: both_ways(flow.Affine(s, t), z), (normal(3), normal(3), normal(3))
    ),
    "genjax.flow.Chain": Row(
        lambda s, t, z: both_ways(flow.Chain((flow.Affine(s, t), flow.Permutation((2, 0, 1)))), z),
        (normal(3), normal(3), normal(3)),
    ),
    "genjax.flow.ContextConditioner": Row(
        lambda w, c, z: both_ways(
            flow.given(
                flow.Coupling(flow.ContextConditioner(genjax.Bound(w, from_first)), flow.affine, FIRST), c
            ),
            z,
        ),
        (normal(2), np.array(0.7), normal(2)),
    ),
    "genjax.flow.ContinuousFlow": Row(
        lambda a, z: flow.ContinuousFlow(genjax.Bound(a, damped), num_steps=8).forward(z),
        (np.array(0.7), normal(3)),
        bfloat16=False,
        slow=True,
    ),
    "genjax.flow.Coupling": Row(
        lambda w, z: both_ways(flow.Coupling(genjax.Bound(w, from_first), flow.affine, FIRST), z),
        (normal(2), normal(2)),
    ),
    "genjax.flow.Fixed": Row(
        lambda s, z: both_ways(flow.Fixed(flow.Affine(s, s)), z), (normal(3), normal(3)), gradient="estimator"
    ),
    "genjax.flow.Invert": Row(
        lambda s, t, z: both_ways(flow.Invert(flow.Affine(s, t)), z), (normal(3), normal(3), normal(3))
    ),
    "genjax.flow.InvertibleLinear": Row(
        lambda low, up, d, z: both_ways(flow.InvertibleLinear(low, up, d, (1, -1, 1), (1, 2, 0)), z),
        (normal(3, 3), normal(3, 3), normal(3), normal(2, 2, 3)),
        bfloat16=False,
    ),
    "genjax.flow.Logit": Row(lambda z: flow.Logit(0.05).forward(z), (RNG.uniform(0.1, 0.9, 3),)),
    "genjax.flow.MaskedAutoregressive": Row(
        lambda w, z: both_ways(flow.MaskedAutoregressive(genjax.Bound(w, from_first), flow.affine), z),
        (normal(2), normal(2)),
    ),
    "genjax.flow.Permutation": Row(lambda z: both_ways(flow.Permutation((2, 0, 1)), z**2), (normal(3),)),
    "genjax.flow.RationalQuadraticSpline": Row(
        lambda raw, z: both_ways(flow.RationalQuadraticSpline(raw), z),
        (normal(3, 8), np.array([-4.0, 0.3, 1.2])),
        bfloat16=False,
    ),
    "genjax.flow.Sigmoid": Row(flow.Sigmoid(0.05).forward, (normal(3),)),
    "genjax.flow.Split": Row(
        lambda s, z: both_ways(flow.Split(flow.Affine(s, s)), z), (normal(2), normal(4))
    ),
    "genjax.flow.Squeeze": Row(lambda z: flow.Squeeze().forward(z**2), (normal(2, 4, 1),)),
    "genjax.flow.affine": Row(lambda raw, z: both_ways(flow.affine(raw), z), (normal(3, 2), normal(3))),
    "genjax.flow.fit_actnorm": Row(
        lambda s, x: flow.fit_actnorm(flow.ActNorm(s, s), x), (normal(2), normal(8, 2))
    ),
    "genjax.flow.given": Row(
        lambda w, c: flow.given(flow.ContextConditioner(genjax.Bound(w, from_first)), c)(c),
        (normal(2), np.array(0.7)),
    ),
    "genjax.flow.log_prob": Row(
        lambda s, t, x: flow.log_prob(flow.Affine(s, t), x), (normal(3), normal(3), normal(3))
    ),
    "genjax.flow.negative_log_likelihood": Row(
        lambda s, t, x: flow.negative_log_likelihood(flow.Affine(s, t), x), (normal(3), normal(3), normal(3))
    ),
    "genjax.flow.rational_quadratic_spline": Row(
        flow.rational_quadratic_spline,
        (
            np.array([-4.0, 0.3]),
            RNG.uniform(1, 2, (2, 3)),
            RNG.uniform(1, 2, (2, 3)),
            RNG.uniform(1, 2, (2, 4)),
        ),
        bfloat16=False,
    ),
    "genjax.flow.reverse_kl": Row(
        lambda key, s: flow.reverse_kl(key, flow.Affine(s, s), lambda x: -jnp.sum(x**4), shape=(3,)),
        (KEY, normal(3)),
    ),
    "genjax.flow.reverse_kl_integrand": Row(
        lambda s, z: flow.reverse_kl_integrand(flow.Affine(s, s), lambda x: -jnp.sum(x**4), z),
        (normal(3), normal(3)),
    ),
}

RECORDS = {
    "genjax.flow.Bijector": "tests/flow/test_bijectors.py",
    "genjax.flow.CheckReport": "tests/flow/test_diagnostics.py",
    "genjax.flow.channel_mask": "tests/flow/test_structure.py",
    "genjax.flow.check": "tests/flow/test_diagnostics.py",
    "genjax.flow.checkerboard_mask": "tests/flow/test_structure.py",
    "genjax.flow.invertible_linear": "tests/flow/test_structure.py",
}

STRUCTURE = [
    (flow.Affine(ONE, TWO).forward, (TWO,), ValueError, r"z \(2,\), shift \(1,\), log_scale \(2,\)"),
    (flow.Affine(TWO, TWO).inverse, (INTS,), TypeError, "x must be floating point; got int32"),
    (
        partial(flow.log_prob, flow.Affine(TWO, TWO)),
        (INTS,),
        TypeError,
        "x must be floating point; got int32",
    ),
    (
        lambda x: flow.log_prob(flow.Affine(TWO, TWO), x, base_log_prob=lambda z: z),
        (TWO,),
        ValueError,
        r"base_log_prob\(z\) must be a scalar, of shape \(\); got shape \(2,\)",
    ),
    (flow.affine, (jnp.zeros((2, 3)),), ValueError, r"raw must be \[\*event, 2\].* got shape \(2, 3\)"),
    (flow.Permutation((0, 2)).forward, (TWO,), ValueError, r"must reorder 0\.\.1.* got \(0, 2\)"),
    (flow.ActNorm(ONE, ONE).inverse, (jnp.zeros((2, 2, 3)),), ValueError, r"shift \(1,\), event \(2, 2, 3\)"),
    (
        flow.InvertibleLinear(jnp.eye(2), jnp.eye(2), ONE, (1, 1), (0, 1)).forward,
        (TWO,),
        ValueError,
        r"last axis, 2: lower \(2, 2\), log_diag \(1,\), 2 signs",
    ),
    (flow.Squeeze().forward, (jnp.zeros((3, 2, 1)),), ValueError, r"even H and W; got shape \(3, 2, 1\)"),
    (flow.Squeeze().inverse, (jnp.zeros((1, 1, 2)),), ValueError, r"\[H, W, 4C\]; got shape \(1, 1, 2\)"),
    (flow.Split(flow.Affine(ONE, ONE)).forward, (jnp.zeros(3),), ValueError, r"must be even .* \(3,\)"),
    (couple(jnp.zeros(4), (True,)).forward, (TWO,), ValueError, r"mask \(1,\), event \(2,\)"),
    (couple(jnp.zeros(4), (1, 0)).forward, (TWO,), TypeError, "nested tuples of bool; got int64"),
    (couple(jnp.zeros(3), (True, False)).inverse, (TWO,), ValueError, r"raw \(3,\), event \(2,\)"),
    (
        flow.RationalQuadraticSpline(jnp.zeros((2, 7))).forward,
        (TWO,),
        ValueError,
        r"an axis of 3K − 1: raw \(2, 7\), event \(2,\)",
    ),
    (
        spline([1.0, 1.0], [1.0, 1.0], [1.0, 1.0]),
        (jnp.array(0.0),),
        ValueError,
        r"slopes \[\*event, K \+ 1\]: x \(\), widths \(2,\), slopes \(2,\)",
    ),
    (flow.Logit(0.5).forward, (TWO,), ValueError, r"alpha must lie in \[0, 0\.5\); got 0\.5"),
    (
        partial(flow.fit_actnorm, flow.ActNorm(TWO, TWO)),
        (jnp.zeros((1, 2)),),
        ValueError,
        r"n at least 2; got shape \(1, 2\)",
    ),
    (
        partial(flow.reverse_kl_integrand, flow.Affine(TWO, TWO), lambda x: x),
        (TWO,),
        ValueError,
        r"log_target\(x\) must be a scalar",
    ),
]

VALUES = [
    (partial(flow.log_prob, flow.Affine(TWO, TWO)), (NAN,), "x must not be NaN; got nan at flat position 1"),
    (flow.Logit().forward, (jnp.array([0.5, 1.5]),), r"lie in \(0, 1\); got 1.5 at flat position 1"),
    (flow.Logit().forward, (jnp.array([0.0]),), r"lie in \(0, 1\); got 0.0"),
    (partial(flow.log_prob, flow.Sigmoid(0.25)), (jnp.array([1.75]),), r"lie in \(-0\.5, 1\.5\); got 1.75"),
    (spline([1.0, 0.0], [1.0, 1.0], [1.0, 1.0, 1.0]), (jnp.array(0.0),), "widths must be positive; got 0.0"),
    (spline([1.0, 1.0], [2.0, -1.0], [1.0, 1.0, 1.0]), (jnp.array(0.0),), "heights must be positive; got -1"),
    (
        spline([1.0, 1.0], [1.0, 1.0], [1.0, 0.0, 1.0]),
        (jnp.array(0.0),),
        "slopes must be positive; got 0.0 at flat position 1",
    ),
    (
        partial(flow.fit_actnorm, flow.ActNorm(TWO, TWO)),
        (jnp.array([[1.0, 2.0], [1.0, 3.0]]),),
        "each channel at an ActNorm must exceed the round-off of its values; got 0.0 at flat position 0",
    ),
    (
        partial(flow.reverse_kl_integrand, flow.Affine(TWO, TWO), densities.standard_normal_log_prob),
        (NAN,),
        "noise must not be NaN",
    ),
]

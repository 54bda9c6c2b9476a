"""Normalizing flows."""

import jax.numpy as jnp
import mpmath
import numpy as np

import genjax
from genjax import flow

from ..registry.flow import both_ways
from .case import Case
from .exact import exp, log, log_2pi, log_sigmoid, sigmoid, tanh
from .grid import product, signed, stack

RNG = np.random.default_rng(6)
AFFINE = product([0.0, 1.0, -1e4], signed(0, 1e-6, 1, 10, 30), [0.0, 1e-6, 1.000001, -30.0])
SCALE_TERMS = lambda s, t, z: [
    (np.abs(s) + np.abs(z) + 1) * np.exp(np.abs(t)),
    *[(np.abs(s) + np.abs(z) + 1) * np.exp(np.abs(t))] * 3,
]
UNIT = [1e-30, 1e-6, 0.05, 0.3, 0.5, 0.7, 0.999, 1 - 2**-24]
REALS = signed(0, 1e-6, 0.1, 1, 5, 10, 17, 30, 80)


def affine(s, t, z):
    return s + exp(t) * z, t, (z - s) * exp(-t), -t


def logit(alpha):
    a = mpmath.mpf(alpha)

    def exact(z):
        low, high = a + (1 - 2 * a) * z, a + (1 - 2 * a) * (1 - z)
        return log(low) - log(high), log(1 - 2 * a) - log(low) - log(high)

    return exact


def sigmoid_of(alpha):
    a = mpmath.mpf(alpha)
    return lambda z: ((sigmoid(z) - a) / (1 - 2 * a), log_sigmoid(z) + log_sigmoid(-z) - log(1 - 2 * a))


def linear(low, up, d, z):
    return both_ways(flow.InvertibleLinear(low, up, d, (1, -1, 1), (1, 2, 0)), z)


def splines(num_bins, steepness, seed):
    rng = np.random.default_rng(seed)
    size = lambda: np.exp(steepness * rng.normal(size=(12, num_bins))) / num_bins
    widths, heights = size(), size()
    # On knots, at both ends, beyond them and inside.
    ends = widths.sum(1) / 2
    x = np.where(np.arange(12) < 4, ends * np.array([1, -1, 2, -3] * 3), ends * rng.uniform(-1, 1, 12))
    return x, widths, heights, np.exp(steepness * rng.normal(size=(12, num_bins + 1)))


BATCHES = np.stack(
    [offset + scale * RNG.normal(size=(16, 2)) for offset, scale in ((0, 1), (1e4, 1), (0, 1e-6), (-3, 1e6))]
)

CASES = {
    "genjax.flow.Affine": [
        Case(lambda s, t, z: both_ways(flow.Affine(s, t), z), AFFINE, affine, terms=SCALE_TERMS)
    ],
    "genjax.flow.affine": [
        Case(
            lambda raw, z: flow.affine(raw).forward(z),
            stack(*[([0.5, r], z) for r in (*signed(0, 1e-6, 1, 5, 20, 50),) for z in (0.0, 1.0, -30.0)]),
            lambda raw, z: (raw[0] + exp(5 * tanh(raw[1] / 5)) * z, 5 * tanh(raw[1] / 5)),
            # The slope 1 − tanh² where the bound is reached.
            terms=lambda raw, z: [0.0, 1.0 + 150 * np.abs(z), 0.0],
        )
    ],
    "genjax.flow.Logit": [
        Case(
            flow.Logit(alpha).forward,
            product(UNIT),
            logit(alpha),
            terms=lambda z, a=alpha: [1.0, 1 / (z * (1 - z) + a)],
        )
        for alpha in (0.0, 1e-6, 0.05)
    ]
    + [
        Case(flow.Logit(alpha).inverse, product(REALS), sigmoid_of(alpha), terms=lambda z: [1.0, 0.0])
        for alpha in (0.0, 0.05)
    ],
    "genjax.flow.Sigmoid": [
        Case(
            flow.Sigmoid(alpha).forward,
            product(REALS),
            sigmoid_of(alpha),
            terms=lambda z, a=alpha: [1.0 * (a > 0), 0.0],
        )
        for alpha in (0.0, 1e-6, 0.05)
    ],
    "genjax.flow.InvertibleLinear": [
        Case(
            linear,
            tuple(
                RNG.normal(size=(6, *shape)) * s
                for shape, s in (((3, 3), 1), ((3, 3), 1), ((3,), 4), ((3,), 10))
            ),
            terms=lambda low, up, d, z: (lambda c: [c, *[c**2] * 4])(np.exp(np.abs(d).max(1)) * 100),
        )
    ],
    "genjax.flow.RationalQuadraticSpline": [
        Case(
            lambda raw, z: both_ways(flow.RationalQuadraticSpline(raw), z),
            (
                scale * RNG.normal(size=(8, 1, 3 * bins - 1)),
                np.array([[-4.0], [-3.0], [-2.999], [0.0], [0.7], [2.9], [3.0], [30.0]]),
            ),
            terms=lambda raw, z, scale=scale: [10.0, 100.0 * np.exp(scale), 100.0 * np.exp(3 * scale)],
        )
        for bins, scale in ((8, 1.0), (16, 2.0))
    ],
    "genjax.flow.rational_quadratic_spline": [
        Case(
            flow.rational_quadratic_spline,
            splines(bins, steepness, bins),
            terms=lambda x, w, h, d: (lambda c: [c, c / w.min(1), c / w.min(1), c / h.min(1), c / d.min(1)])(
                10 * np.maximum(h.max(1) / w.min(1), d.max(1))
            ),
        )
        for bins, steepness in ((1, 1.0), (8, 1.0), (64, 1.0))
    ]
    # One bin whose secant is a thousandth of the slopes, and a thousand times them.
    + [
        Case(
            lambda x, h: flow.rational_quadratic_spline(x, jnp.ones_like(h), h, jnp.ones(2, h.dtype)),
            stack(*[(x, [h]) for x in (-0.4, -0.1, 0.0, 0.01, 0.3, 0.499) for h in (1e-3, 1.0, 1e3)]),
            terms=lambda x, h: [h.max(1), 1 + 1 / h.min(1), 1 / h.min(1)],
        )
    ],
    "genjax.flow.fit_actnorm": [
        Case(
            lambda x: flow.fit_actnorm(flow.ActNorm(jnp.zeros(2, x.dtype), jnp.zeros(2, x.dtype)), x),
            (BATCHES,),
            terms=lambda x: [
                np.abs(x).max((1, 2)) / x.std(1).min(1),
                1 / x.std(1).min(1) * (1 + np.abs(x).max((1, 2)) / x.std(1).min(1)),
            ],
        )
    ],
    "genjax.flow.log_prob": [
        Case(
            lambda s, t, x: flow.log_prob(flow.Affine(s, t), x),
            AFFINE,
            lambda s, t, x: -(((x - s) * exp(-t)) ** 2 + log_2pi) / 2 - t,
            terms=lambda s, t, x: [1.0, 0.0, 1.0, 0.0],
        )
    ],
    "genjax.flow.Coupling": [
        Case(
            lambda w, z: both_ways(
                flow.Coupling(
                    genjax.Bound(w, lambda w, x: jnp.outer(jnp.stack([0 * x[0], jnp.sin(x[0])]), w)),
                    flow.affine,
                    (True, False),
                ),
                z,
            ),
            stack(*[([a, b], [z, -z]) for a in (1e-6, 5.0) for b in (1.0, 20.0) for z in (1e-6, 1.0, 30.0)]),
            terms=lambda w, z: [*[np.exp(5.0) * (np.abs(z).max(1) + np.abs(w).max(1) ** 2)] * 3],
        )
    ],
}

# What rows of the registry sum: a log-slope of zero beyond the box, from slopes of 1.
TERMS = {
    "genjax.flow.RationalQuadraticSpline": lambda raw, z: [1.0, 1.0, 1.0],
    "genjax.flow.rational_quadratic_spline": lambda *args: [1.0] * 5,
}

EXEMPT = {
    "genjax.flow.Bijector": "a protocol",
    "genjax.flow.CheckReport": "a record",
    "genjax.flow.channel_mask": "booleans",
    "genjax.flow.check": "a check: it measures round-off itself",
    "genjax.flow.checkerboard_mask": "booleans",
    "genjax.flow.invertible_linear": "LAPACK's factors of a concrete matrix, audited as InvertibleLinear",
}

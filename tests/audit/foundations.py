"""Densities, divergences, batching, likelihood, transport and structures."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np

import genjax
from genjax import densities, divergences, transport, vae

from ..registry.row import KEY
from ..registry.vae import encode, log_likelihood
from .case import Case
from .exact import erfc, exp, log, log_2pi, log_sigmoid, log_softmax, log_sum_exp, normal_log_prob, sinh
from .grid import product, signed, stack

RNG = np.random.default_rng(1)
LOG_VARS = signed(0, 1e-7, 1e-6, 1e-3, 0.1, 0.49, 0.51, 1, 10, 30, 60)
LOGITS = signed(0, 1e-6, 1e-3, 0.05, 0.5, 1, 5, 10, 17, 30, 88, 100, 1000)
CB_LOGITS = signed(0, 1e-30, 1e-6, 1e-3, 0.05, 0.0999, 0.1, 0.1001, 0.2, 0.5, 1, 1.99, 2.01, 5, 20, 100, 1000)


def categorical(x, logits):
    return log_softmax(logits)[x]


def continuous_bernoulli(x, logit):
    u = logit / 2
    return (x - mpmath.mpf(1) / 2) * logit - (log(sinh(u) / u) if u != 0 else mpmath.mpf(0))


def discretized_logistic(x, mean, log_scale, num_levels):
    h = mpmath.mpf(1) / (num_levels - 1)
    upper, lower = (x + h - mean) * exp(-log_scale), (x - h - mean) * exp(-log_scale)
    if x < -1 + h:
        return log_sigmoid(upper)
    if x > 1 - h:
        return log_sigmoid(-lower)
    return log_sigmoid(upper) + log_sigmoid(-lower) + mpmath.log(-mpmath.expm1(lower - upper))


def discretized_normal(x, mean, log_var, num_levels):
    h, scale = mpmath.mpf(1) / (num_levels - 1), exp(log_var / 2)
    lower = -mpmath.inf if x < -1 + h else (x - h - mean) / scale
    upper = mpmath.inf if x > 1 - h else (x + h - mean) / scale
    if lower > 0:  # the same mass, where erfc has its digits
        lower, upper = -upper, -lower
    return log((erfc(-upper / mpmath.sqrt(2)) - erfc(-lower / mpmath.sqrt(2))) / 2)


def levels(num_levels, *which):
    return [float(np.float32(-1 + 2 * k / (num_levels - 1))) for k in which]


def generalised_kl(p, q):
    terms = [
        (a * mpmath.log(a / b) if a > 0 else 0) - a + b if b > 0 or a == 0 else mpmath.inf
        for a, b in zip(p, q, strict=True)
    ]
    return mpmath.fsum(terms)


def kl_normal(m_q, v_q, m_p, v_p):
    r = v_q - v_p
    return ((m_q - m_p) ** 2 * exp(-v_p) + exp(r) - 1 - r) / 2


def kl_equation(p, q):
    return mpmath.fsum(a * mpmath.log(a / b) for a, b in zip(p, q, strict=True) if a > 0)


def js(kl):
    return lambda p, q: (kl(p, (p + q) / 2) + kl(q, (p + q) / 2)) / 2


def whole(*shares):
    """Probabilities in units of 2⁻²³, so that they sum to 1 in float32 as they do in float64."""
    return np.array([*shares, 2**23 - sum(shares)]) / 2**23


P = whole(2 * 2**20, 3 * 2**20)
INNER_PAIRS = stack(
    *[(P, whole(2 * 2**20 + k, 3 * 2**20 - 2 * k)) for k in (1, 10, 1000, 10**5, 10**6, -1, -1000)],
    (whole(8, 8), whole(16, 9)),
    (whole(2**23 - 8, 8) + np.array([0, 0, 1e-30]), whole(8, 2**23 - 8) + np.array([0, 0, 1e-20])),
    (whole(2**22, 2**22) + np.array([0, 0, 1e-30]), whole(2**21, 2**21)),
    (whole(7 * 2**20, 2**19), whole(1, 2**22)),
)
EDGE_PAIRS = stack(
    ([1.0, 0.0, 0.0], [0.5, 0.5, 0.0]),
    ([1.0, 0.0, 0.0], [1.0, 0.0, 0.0]),
    ([0.5, 0.5, 0.0], [1.0, 0.0, 0.0]),
    ([1.0, 0.0, 0.0], [0.0, 1.0, 0.0]),
    ([0.0, 0.5, 0.5], [0.0, 0.5, 0.5]),
)


def covariance(seed, *values, d=3):
    q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))
    c = q @ np.diag(values) @ q.T
    return (c + c.T) / 2


def frechet_terms(mean_a, a, mean_b, b):
    """Of the gradients I − T, whose map T is off by the condition of the matrices times the round-off."""
    return [0.0, 0.0, np.linalg.cond(a), 0.0, np.linalg.cond(b)]


def frechet(mean_a, a, mean_b, b):
    symmetric = lambda c: mpmath.matrix(((c + c.T) / 2).tolist())

    def root(c):
        values, vectors = mpmath.eigsy(c)
        return vectors * mpmath.diag([mpmath.sqrt(max(v, 0)) for v in values]) * vectors.T

    a, b = symmetric(a), symmetric(b)
    product = root(a) * b * root(a)
    values, _ = mpmath.eigsy((product + product.T) / 2)
    cross = mpmath.fsum(mpmath.sqrt(max(v, 0)) for v in values)
    trace = mpmath.fsum(a[i, i] + b[i, i] for i in range(len(mean_a)))
    return np.sum((mean_a - mean_b) ** 2) + trace - 2 * cross


COVARIANCES = stack(
    ([0.0, 0, 0], covariance(0, 1, 2, 3), [0.0, 0, 0], covariance(1, 3, 2, 1)),
    ([0.0, 1, 0], covariance(0, 1, 1e-2, 1e-4), [0.0, 0, 0], covariance(1, 1, 1e-2, 1e-4)),
    ([0.0, 0, 0], covariance(0, 1, 1e-2, 1e-4), [0.0, 0, 0], covariance(0, 1.1, 1e-2, 1.1e-4)),
    ([0.0, 0, 0], covariance(0, 1e6, 2e6, 3e6), [1e3, 0, 0], covariance(1, 3e6, 2e6, 1e6)),
    ([0.0, 0, 0], covariance(0, 1e-6, 2e-6, 3e-6), [1e-4, 0, 0], covariance(1, 3e-6, 2e-6, 1e-6)),
    ([0.0, 0, 0], np.eye(3), [0.0, 0, 0], 1.001 * np.eye(3)),
    ([1e4, 0, 0], covariance(0, 1, 2, 3), [1e4 + 1, 0, 0], covariance(1, 1, 2, 3)),
)

CASES = {
    "genjax.batching.expectation": [
        Case(
            lambda key, x: genjax.expectation(vae.negative_elbo, encode, log_likelihood)(key, x),
            (KEY, RNG.normal(size=(1, 512, 2))),
        ),
    ],
    "genjax.densities.normal_log_prob": [
        Case(
            densities.normal_log_prob,
            product([0.0, 1e-6, 1.0, -30.0, 1e6], [0.0, 1.0, -30.000002], LOG_VARS),
            normal_log_prob,
        ),
        Case(
            densities.normal_log_prob,
            (RNG.normal(size=(3, 300)), RNG.normal(size=(3, 300)), RNG.normal(size=(3, 300))),
        ),
        Case(
            densities.normal_log_prob,
            (RNG.normal(size=(2, 3)), RNG.normal(size=(2, 3)), np.array([-20.0, 20.0])),
            normal_log_prob,
        ),
    ],
    "genjax.densities.standard_normal_log_prob": [
        Case(
            densities.standard_normal_log_prob,
            product(signed(0, 1e-20, 1e-6, 1, 30, 1e6, 1e18)),
            lambda x: -(x**2 + log_2pi) / 2,
        ),
        Case(densities.standard_normal_log_prob, (RNG.normal(size=(2, 3000)),)),
    ],
    "genjax.densities.bernoulli_log_prob": [
        Case(densities.bernoulli_log_prob, product([0, 1], LOGITS), lambda x, g: log_sigmoid(g if x else -g)),
    ],
    "genjax.densities.continuous_bernoulli_log_prob": [
        Case(
            densities.continuous_bernoulli_log_prob,
            product([0.0, 1e-6, 0.3, 0.5, 1 - 2**-24, 1.0], CB_LOGITS),
            continuous_bernoulli,
        ),
    ],
    "genjax.densities.categorical_log_prob": [
        Case(
            densities.categorical_log_prob,
            stack(
                *[(x, [g, 0.0, -5.0]) for g in LOGITS for x in (0, 1, 2)],
                *[(x, [1e4 + g, 1e4, 1e4 - g]) for g in (0, 1, 20) for x in (0, 1)],
                *[(0, [g, 0.0, -np.inf]) for g in (-100.0, 0.0, 30.0)],
            ),
            categorical,
        ),
        Case(
            densities.categorical_log_prob,
            stack((0, [1.0, -np.inf, -np.inf]), (1, [1.0, -np.inf, 0.0])),
            gradient=False,
        ),
        Case(densities.categorical_log_prob, (np.arange(3), 5 * RNG.normal(size=(3, 1000)))),
    ],
    "genjax.densities.discretized_logistic_log_prob": [
        Case(
            lambda x, m, s, n=n: densities.discretized_logistic_log_prob(
                jax.lax.stop_gradient(x), m, s, num_levels=n
            ),
            product(
                levels(n, *which),
                [0.0, 1.0, -1.0, 0.2, 3.0, 30.0],
                [-30.0, -10.0, -7.0, -3.0, 0.0, 3.0, 7.0, 30.0],
            ),
            lambda x, m, s, n=n: discretized_logistic(x, m, s, n),
            terms=lambda x, m, s: [1.0, 0.0, np.exp(-s), 1.0],
            exact_gradient=False,
        )
        for n, which in ((256, (0, 1, 128, 200, 254, 255)), (2, (0, 1)), (1000, (0, 500, 999)))
    ],
    "genjax.densities.discretized_logistic_mixture_log_prob": [
        Case(
            lambda x, g, m, s: densities.discretized_logistic_mixture_log_prob(
                jax.lax.stop_gradient(x), g, m, s
            ),
            stack(
                *[
                    (x, [0.0, g], [0.3, m], [-3.0, s])
                    for x in levels(256, 0, 100, 255)
                    for g in (-100.0, 0.0, 30.0)
                    for m in (-0.5, 3.0)
                    for s in (-7.0, 2.0)
                ]
            ),
            lambda x, g, m, s: log_sum_exp(
                log_softmax(g)
                + np.array([discretized_logistic(x, a, b, 256) for a, b in zip(m, s, strict=True)], object)
            ),
            terms=lambda x, g, m, s: [1.0, 0.0, 1.0, np.exp(-s).max(1), 1.0],
            exact_gradient=False,
        )
    ],
    "genjax.densities.discretized_normal_log_prob": [
        Case(
            lambda x, m, v, n=n: densities.discretized_normal_log_prob(
                jax.lax.stop_gradient(x), m, v, num_levels=n
            ),
            product(
                levels(n, *which),
                [0.0, 1.0, -1.0, 0.2, 3.0, 30.0],
                [-20.0, -14.0, -10.0, -7.0, -3.0, 0.0, 3.0, 7.0, 30.0],
            ),
            lambda x, m, v, n=n: discretized_normal(x, m, v, n),
            terms=lambda x, m, v: [1.0, 0.0, np.exp(-v / 2), 1.0],
            exact_gradient=False,
        )
        for n, which in ((256, (0, 1, 128, 200, 254, 255)), (2, (0, 1)), (17, (0, 8, 16)))
    ],
    "genjax.densities.mixture_log_prob": [
        Case(
            lambda x, g, m, v: densities.mixture_log_prob(densities.normal_log_prob, x, g, m, v),
            stack(
                *[
                    (x, [0.0, g], [-1.0, 1.0], [0.0, v])
                    for x in (0.0, 1.0, 30.0, -300.0)
                    for g in (-100.0, -1e-6, 30.0, -np.inf)
                    for v in (-10.0, 0.0, 10.0)
                ]
            ),
            lambda x, g, m, v: log_sum_exp(
                log_softmax(g)
                + np.array([normal_log_prob(x, a, b) for a, b in zip(m, v, strict=True)], object)
            ),
            terms=lambda x, g, m, v: [1.0, (np.abs(x[:, None] - m) * np.exp(-v)).max(1), 1.0, 0.0, 1.0],
        )
    ],
    "genjax.divergences.kl_standard_normal": [
        Case(
            divergences.kl_standard_normal,
            product([0.0, 1e-10, -1e-6, 1.0, 30.0, 1e4], LOG_VARS),
            lambda m, v: (m**2 + exp(v) - 1 - v) / 2,
        ),
    ],
    "genjax.divergences.kl_normal": [
        Case(
            divergences.kl_normal,
            stack(
                *[
                    (m, v + d, n, v)
                    for m, n in ((0.0, 0.0), (1.0, 1.000001), (30.0, -30.0))
                    for v in (-30.0, -1.0, 0.0, 1.0, 30.0)
                    for d in (0.0, 1e-6, -1e-4, 0.3, 5.0)
                ]
            ),
            kl_normal,
        ),
    ],
    "genjax.divergences.kl_categorical": [
        Case(divergences.kl_categorical, INNER_PAIRS, generalised_kl, exact_gradient=kl_equation),
        Case(divergences.kl_categorical, EDGE_PAIRS, generalised_kl, exact_gradient=False),
    ],
    "genjax.divergences.js_categorical": [
        Case(divergences.js_categorical, INNER_PAIRS, js(generalised_kl), exact_gradient=js(kl_equation)),
        Case(divergences.js_categorical, EDGE_PAIRS, js(generalised_kl), exact_gradient=False),
    ],
    "genjax.divergences.gaussian_frechet_distance": [
        Case(
            lambda m, a, n, b: divergences.gaussian_frechet_distance(m, (a + a.T) / 2, n, (b + b.T) / 2),
            COVARIANCES,
            frechet,
            terms=frechet_terms,
            exact_gradient=False,
        )
    ],
    "genjax.likelihood.bits_per_dim": [
        Case(
            lambda nll, d=d: genjax.bits_per_dim(nll, d),
            product(signed(0, 1e-6, 1, 5000, 1e6)),
            lambda nll, d=d: nll / (d * mpmath.log(2)) + 8,
        )
        for d in (1, 3072, 10**6)
    ],
    "genjax.likelihood.dequantize": [
        Case(
            lambda v, u, n=n: genjax.dequantize(v, u, num_levels=n),
            product([0, 1, n - 2, n - 1], [0.0, 1e-30, 1e-8, 0.5, 1 - 2**-24]),
            lambda v, u, n=n: (int(v) + u) / n,
        )
        for n in (2, 256, 1000, 65536)
    ],
    "genjax.transport.carry": [
        Case(
            lambda a, x: transport.carry(lambda x, t: a * jnp.sin(x), x, start=0.0, end=1.0, num_steps=16)[
                :2
            ],
            stack(*[(a, [1e-6, x]) for a in (-5.0, 1e-6, 2.0) for x in (0.1, 3.0)]),
            terms=lambda a, x: [1.0, 1.0, 1.0],
        )
    ],
    "genjax.transport.divergence": [
        Case(
            lambda a, x, t: transport.divergence(lambda x, t: a * t * jnp.sin(x), x, t),
            stack(*[(a, [x, -x], 0.5) for a in (1e-6, 1.0, 1e6) for x in (1e-6, 1.5707964, 30.0)]),
            lambda a, x, t: a * t * np.sum(np.frompyfunc(mpmath.cos, 1, 1)(x)),
        )
    ],
}

TERMS = {"genjax.divergences.gaussian_frechet_distance": frechet_terms}

EXEMPT = {
    "genjax.checked": "compiles what it is given",
    "genjax.likelihood.Kind": "names",
    "genjax.likelihood.Likelihood": "a record",
    "genjax.transport.Carried": "a record",
    "genjax.transport.Integrated": "a record",
}

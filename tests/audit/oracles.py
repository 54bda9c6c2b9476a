"""Oracles."""

import jax.numpy as jnp
import mpmath
import numpy as np

from genjax import oracles

from .case import Case
from .exact import exp, log_2pi, log_sum_exp
from .foundations import covariance
from .grid import stack

RNG = np.random.default_rng(5)
W = RNG.normal(size=(3, 2))
LINEAR = stack(
    *[
        (s * W, [0.0, 1e-6, 1.0], [v, v, 0.5 * v], [x, -x, 0.3], [m, 0.0], [-1.0, 1e-6])
        for s in (1e-6, 1.0, 100.0)
        for v in (-6.0, 0.0, 6.0)
        for x, m in ((0.0, 0.0), (30.0, 1.0))
    ]
)


def linear_gaussian(weights, bias, log_var, x, mean, encoder_log_var):
    model = oracles.LinearGaussian(weights, bias, log_var)
    return model.log_evidence(x), model.kl_to_posterior(mean, encoder_log_var, x), *model.optimal_encode(x)


def exact_linear_gaussian(w, b, log_var, x, mean, q_log_var):
    """By the covariance of x and of z given x, where the library goes by the precision."""
    n, d = w.shape
    w, difference = mpmath.matrix(w.tolist()), mpmath.matrix((x - b).tolist())
    noise = mpmath.diag(list(exp(log_var)))
    c = w * w.T + noise
    log_evidence = -((difference.T * c**-1 * difference)[0] + mpmath.log(mpmath.det(c)) + n * log_2pi) / 2
    precision = mpmath.eye(d) + w.T * noise**-1 * w
    posterior = precision**-1 * w.T * noise**-1 * difference
    gap = mpmath.matrix(mean.tolist()) - posterior
    trace = sum(precision[j, j] * exp(q_log_var)[j] for j in range(d))
    kl = (trace + (gap.T * precision * gap)[0] - d - mpmath.log(mpmath.det(precision)) - sum(q_log_var)) / 2
    return (
        log_evidence,
        kl,
        np.array(list(posterior), object),
        np.array([-mpmath.log(precision[j, j]) for j in range(d)], object),
    )


MIXTURES = stack(
    *[
        ([1 - p, p], [[0.0, 0.0], [1.0, m]], [covariance(0, 1, c, d=2), covariance(1, 1, 0.5, d=2)], [x, -x])
        for p in (0.5, 2.0**-20)
        for m in (1e-6, 5.0)
        for c in (1.0, 1e-4)
        for x in (0.0, 0.3, 30.0)
    ]
)


def gaussian_mixture(weights, means, covs, x):
    mixture = oracles.GaussianMixture(weights, means, (covs + covs.swapaxes(1, 2)) / 2)
    return mixture.log_prob(x), mixture.score(x)


def exact_mixture(weights, means, covs, x):
    log_p, pulls = [], []
    for weight, mean, cov in zip(weights, means, covs, strict=True):
        c = mpmath.matrix(((cov + cov.T) / 2).tolist())
        difference = mpmath.matrix((mean - x).tolist())
        pull = c**-1 * difference
        log_p.append(
            mpmath.log(weight) - ((difference.T * pull)[0] + mpmath.log(mpmath.det(c)) + len(x) * log_2pi) / 2
        )
        pulls.append(np.array(list(pull), object))
    total = log_sum_exp(np.array(log_p, object))
    return total, sum(mpmath.exp(a - total) * pull for a, pull in zip(log_p, pulls, strict=True))


def quadratic_term(weights, means, covs, x):
    """The largest term of the log-density and of the score, which the round-off of a matrix of condition c moves."""
    precision = np.linalg.cond(covs).max(1) / np.linalg.norm(covs, 2, (2, 3)).min(1)
    size = 1 + np.abs(x).max(1) + np.abs(means).max((1, 2))
    return [precision * size**2, precision * size**2 / weights.min(1), *[precision**2 * size**3] * 3]


ENERGIES = stack(
    *[([[s, -s, 1e-6], [s + 1, 0.0, w]],) for s in (0.0, 1e-6, 20.0, 1e3) for w in (0.0, np.inf)]
)
X = np.array([1, 1])


def enumerable(energies):
    model = oracles.EnumerableEnergy(energies)
    return model.log_prob(jnp.array(X)), model.log_partition().log_z, model.probabilities()


def exact_enumerable(energies):
    log_z = log_sum_exp(-energies)
    return -energies[tuple(X)] - log_z, log_z, exp(-energies - log_z)


CASES = {
    "genjax.oracles.LinearGaussian": [
        Case(
            linear_gaussian,
            LINEAR,
            exact_linear_gaussian,
            exact_gradient=False,
            terms=lambda w, b, v, x, m, q: (
                lambda p: [p * (1 + (x**2).sum(1)), *[p**2 * (1 + (x**2).sum(1))] * 6]
            )(1 + (w**2).sum((1, 2)) * np.exp(-v).max(1)),
        )
    ],
    "genjax.oracles.GaussianMixture": [
        Case(gaussian_mixture, MIXTURES, exact_mixture, terms=quadratic_term, exact_gradient=False),
        Case(
            gaussian_mixture,
            tuple(
                np.stack([a[0], a[0]]) if i else np.array([[1.0, 0.0], [0.0, 1.0]])
                for i, a in enumerate(MIXTURES)
            ),
        ),
    ],
    "genjax.oracles.EnumerableEnergy": [
        Case(
            enumerable,
            ENERGIES,
            exact_enumerable,
            terms=lambda e: [
                np.where(np.isfinite(e), np.abs(e), 0).max((1, 2)) + 1,
                1.0 + np.where(np.isfinite(e), np.abs(e), 0).max((1, 2)),
            ],
        ),
    ],
    "genjax.oracles.AutoregressiveTable": [
        Case(
            lambda first, second: oracles.AutoregressiveTable((first, second)).log_probs(),
            stack(
                *[
                    ([g, 0.0, 1e-6], [[0.0, g, -g], [1.0, 2.0, g], [0.0, 0.0, 0.0]])
                    for g in (-100.0, -10.0, 0.0, 17.0, 100.0)
                ]
            ),
            terms=lambda first, second: [1.0, 1.0, 1.0],
        )
    ],
}

# Logs and losses of this size cancel in a softmax, whose gradient sums to zero.
TERMS = {"genjax.oracles.DiscreteGan": lambda *args: [1.0] * 4}

EXEMPT = {
    "genjax.oracles.PlayerLosses": "a record",
    "genjax.oracles.SamplerReport": "a record",
    "genjax.oracles.check_sampler": "a test of other functions",
}

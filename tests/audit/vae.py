"""The variational and the plain autoencoder."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np

from genjax import autoencoder, densities, vae

from ..registry.row import KEY
from ..registry.vae import log_joint
from .case import Case
from .exact import exp, log_2pi, log_sum_exp, normal_log_prob
from .grid import product, stack

RNG = np.random.default_rng(2)
LOG_VARS = [-30.0, -10.0, -1.0, -1e-6, 0.0, 1e-6, 1.0, 10.0]
POSTERIORS = stack(*[([m, -m], [v, 0.0]) for m in (0.0, 1e-6, 1.0, 30.0) for v in LOG_VARS])
DRAWS = stack(
    *[
        ([m, 0.3], [v, -v], [[0.5, -2.0], [3.0, 1e-6], [-1.0, 0.0]])
        for m in (0.0, 1.0, 5.0)
        for v in (-10.0, -1e-6, 0.0, 3.0)
    ]
)


def kl(mean, log_var):
    return (mean**2 + exp(log_var) - 1 - log_var) / 2


def terms(mean, log_var, x, noise):
    return normal_log_prob(x, mean + exp(log_var / 2) * noise, mpmath.mpf(0) * x), np.sum(kl(mean, log_var))


def likelihood(x, z):
    return densities.normal_log_prob(x, z, jnp.zeros_like(x))


def elbo_terms(mean, log_var, x, noise):
    return vae.elbo_terms(lambda _: (mean, log_var), likelihood, x, noise)


ELBO = stack(*[(m, v, [0.5, -3.0], [2.0, -1e-6]) for m, v in zip(*POSTERIORS, strict=True)])


def bound(mean, log_var, noise):
    """log 1/K Σ_k w_k of the estimators, in mpmath, through the draws."""
    cos = np.frompyfunc(mpmath.cos, 1, 1)
    z = mean + exp(log_var / 2) * noise
    log_p = [-np.sum(a**2 + log_2pi) / 2 - np.sum(cos(a)) for a in z]
    log_q = [-np.sum(e**2 + log_var + log_2pi) / 2 for e in noise]
    return log_sum_exp(np.array(log_p, object) - np.array(log_q, object)) - mpmath.log(len(noise))


def weights_of(scale, shift, num_samples, chunk_size):
    """Chunks of the log-weights shift + scale · normal."""
    log_weight = lambda k: shift + scale * jax.random.normal(k, (), scale.dtype)
    return vae.log_mean_weight(KEY, log_weight, num_samples=num_samples, chunk_size=chunk_size)


NEAR = np.concatenate([np.full((99, 2), 0.0), np.array([[3.0, 0.0]])])[None]


def of_weights(m, v, x):
    """The largest terms of a bound by importance weights, and of its derivatives."""
    by_code = np.exp(np.abs(v) / 2).max(1) * (1 + np.abs(m).max(1))
    return [0.0, by_code, by_code, np.exp(v / 2).max(1)]


CASES = {
    "genjax.autoencoder.reconstruction_loss": [
        Case(
            lambda z, x: autoencoder.reconstruction_loss(lambda _: z, likelihood, x),
            stack(*[([a, 1.0], [b, 1.000001]) for a in (0.0, 30.0, -1e6) for b in (1e-6, 30.0)]),
            lambda z, x: np.sum((x - z) ** 2 + log_2pi) / 2,
        )
    ],
    "genjax.vae.reparameterize": [
        Case(
            vae.reparameterize,
            product([0.0, -1.0, 1e4], [-60.0, *LOG_VARS, 30.0, 60.0], [0.0, 1e-6, -5.0]),
            lambda m, v, e: m + exp(v / 2) * e,
        )
    ],
    "genjax.vae.elbo_terms": [
        Case(
            elbo_terms,
            ELBO,
            terms,
            terms=lambda *a: [0.0, np.exp(a[1] / 2).max(1), 0.0, 0.0, np.exp(a[1] / 2).max(1)],
        )
    ],
    "genjax.vae.negative_elbo": [
        Case(
            lambda m, v, x, bits=bits: vae.negative_elbo(
                KEY, lambda _: (m, v), likelihood, x, num_samples=64, beta=4, free_bits=bits
            ),
            ELBO[:3],
            terms=lambda m, v, x: [0.0, np.exp(v / 2).max(1), np.exp(v).max(1), np.exp(v / 2).max(1)],
        )
        for bits in (0.0, 0.5)
    ],
    "genjax.vae.importance_weighted_elbo": [
        Case(
            lambda m, v, x: vae.importance_weighted_elbo(
                KEY, lambda _: (m, v), likelihood, x, num_samples=64
            ),
            ELBO[:3],
            terms=of_weights,
        )
    ],
    "genjax.vae.log_evidence": [
        Case(
            lambda m, v, x: vae.log_evidence(
                KEY, lambda _: (m, v), likelihood, x, num_samples=101, chunk_size=25
            ),
            ELBO[:3],
            terms=of_weights,
        )
    ],
    "genjax.vae.log_mean_weight": [
        *[
            Case(
                lambda scale, shift, n=n, chunk=chunk: weights_of(scale, shift, n, chunk),
                product([0.0, 1e-6, 1.0, 30.0], [0.0, -1e4, 1e4]),
                terms=lambda scale, shift: [1 + np.abs(shift)] * 3,
            )
            for n, chunk in ((1, 1), (7, 3), (6, 3), (5000, 100))
        ],
        # Its gradient adds 2,000 chunks one after another, which float32 rounds to 2e-5.
        Case(
            lambda shift: weights_of(jnp.zeros_like(shift), shift, 200_000, 100),
            (np.array([-1e4, 3.0]),),
            lambda shift: shift,
            gradient=False,
        ),
    ],
    "genjax.vae.unit_kl": [
        Case(
            vae.unit_kl,
            tuple(a[:, None] * np.linspace(0.5, 1, 3)[None, :, None] for a in POSTERIORS),
            lambda m, v: np.sum(kl(m, v), axis=0) / 3,
        ),
        Case(
            vae.unit_kl,
            (1e-3 * RNG.normal(size=(1, 2000, 1)), 1e-3 * RNG.normal(size=(1, 2000, 1))),
            gradient=False,
        ),
    ],
    "genjax.vae.active_units": [
        Case(
            vae.active_units,
            (1e3 + np.array([0.05, 0.2])[None, None] * RNG.normal(size=(1, 500, 2)),),
            gradient=False,
        ),
    ],
    "genjax.vae.collapsed_units": [
        Case(
            lambda m, v: vae.collapsed_units(m, v, delta=0.01),
            (NEAR, 0 * NEAR),
            lambda m, v: np.array([1.0, 1.0], object),
            gradient=False,
        ),
        *[
            Case(
                lambda m, v, n=n, k=k: vae.collapsed_units(m, v, delta=k / n),
                ((np.arange(n) < k)[None, :, None] * np.array([3.0]), np.zeros((1, n, 1))),
                lambda m, v: np.array([1.0], object),
                gradient=False,
            )
            for n, k in ((10, 1), (10, 3), (1000, 7), (997, 13), (20, 0))
        ],
    ],
    "genjax.vae.hierarchical_elbo_terms": [
        Case(
            lambda m, v, x, e: vae.hierarchical_elbo_terms(
                [lambda x: (m, v), lambda z: (0.5 * z, v)],
                [lambda z: (jnp.tanh(z), v)],
                likelihood,
                x,
                [e, e],
            ),
            stack(
                *[
                    ([m, 0.1], [v, 0.0], [0.5, -1.0], [1.5, -0.3])
                    for m in (0.0, 5.0)
                    for v in (-10.0, -1e-6, 3.0)
                ]
            ),
            terms=lambda m, v, x, e: [0.0, *[np.exp(np.abs(v)).max(1) * (1 + np.abs(m)).max(1) ** 2] * 4],
        )
    ],
    **{
        f"genjax.vae.{name}": [
            Case(
                lambda *a, name=name: getattr(vae, name)(log_joint, *a),
                DRAWS,
                bound,
                terms=lambda m, v, e: [
                    np.exp(np.abs(v) / 2).max(1),
                    *[np.exp(np.abs(v)).max(1) * (1 + np.abs(m)).max(1) ** 2] * 3,
                ],
                exact_gradient=name == "pathwise",
            )
        ]
        for name in ("pathwise", "score_function", "sticking_the_landing", "doubly_reparameterized")
    },
}

EXEMPT = {
    "genjax.vae.ElboTerms": "a record, and the difference of its fields",
    "genjax.vae.HierarchicalTerms": "a record, and the difference of its fields",
}

"""Energy-based models."""

import itertools

import jax.numpy as jnp
import numpy as np

from genjax import densities, energy

from ..registry.energy import quadratic
from ..registry.row import KEY
from .case import Case
from .exact import exp, log, log_sigmoid, log_sum_exp
from .grid import stack

RNG = np.random.default_rng(3)
STATES = np.array(list(itertools.product([0, 1], repeat=3)))
MACHINES = stack(
    *[
        (s * RNG.normal(size=(3, 2)), [b, -b, 0.5], [1e-6, -s])
        for s in (1e-6, 1.0, 10.0, 100.0)
        for b in (0.0, 1e-6, 30.0)
    ]
)
V = np.array([1, 0, 1])


def boltzmann(weights, visible_bias, hidden_bias):
    machine = energy.RestrictedBoltzmann(weights, visible_bias, hidden_bias)
    return machine.free_energy(jnp.array(V)), machine.log_partition().log_z, machine.log_prob(jnp.array(V))


def free_energy(v, w, b, a):
    return -np.sum(b * v) + np.sum(log_sigmoid(-(a + v @ w)))


def exact_boltzmann(w, b, a):
    log_z = log_sum_exp(np.array([-free_energy(v, w, b, a) for v in STATES], object))
    return free_energy(V, w, b, a), log_z, -free_energy(V, w, b, a) - log_z


def largest_of_machine(w, b, a):
    largest = np.abs(w).sum((1, 2)) + np.abs(b).sum(1) + np.abs(a).sum(1)
    return [largest, *[1 + largest] * 3]  # a probability is the exponential of such a sum


def walled(theta):
    """Half of the box is ruled out."""
    return lambda x: jnp.where(x[0] > 0, jnp.inf, 0.5 * jnp.sum(theta * x**2))


WEIGHTS = stack(([0.0, 1e-2, -1e-2],), ([0.0, -100.0, -200.0],), ([1e4, 0.0, -1.0],))


def annealed(log_weights):
    run = energy.AnnealedRun(log_weights, log_weights)
    return run.log_ratio, run.standard_error, run.effective_sample_size


def exact_annealed(log_weights):
    n, w = len(log_weights), exp(log_weights - max(log_weights))
    mean = sum(w) / n
    deviation = (sum((w - mean) ** 2) / (n - 1)) ** 0.5
    return max(log_weights) + log(mean), deviation / (mean * n**0.5), sum(w) ** 2 / sum(w**2)


CASES = {
    "genjax.energy.RestrictedBoltzmann": [
        Case(boltzmann, MACHINES, exact_boltzmann, terms=largest_of_machine)
    ],
    "genjax.energy.base_rate_logits": [
        Case(
            energy.base_rate_logits,
            ((np.arange(1000)[None, :, None] < np.array([0, 1, 500, 1000])).astype(float),),
            gradient=False,
            terms=lambda v: [np.log(1000)],
        ),
    ],
    "genjax.energy.contrastive_divergence": [
        Case(
            lambda c, x, y: energy.contrastive_divergence(lambda z: 0.5 * jnp.sum(c * (z - 0.3) ** 2), x, y),
            stack(*[(c, [x, 1.0], [x + 1e-6, -1.0]) for c in (1e-6, 1.0, 1e4) for x in (0.0, 1.0, 30.0)]),
            terms=lambda c, x, y: [c * (x**2).sum(1) + c, (x**2).sum(1) + 1, 0.0, 0.0],
        )
    ],
    "genjax.energy.geometric_path": [
        Case(
            lambda c, x, beta: energy.geometric_path(
                lambda x: jnp.sum(x**2) / 2, lambda x: jnp.sum(c * (x - 1) ** 2)
            )(x, beta),
            stack(
                *[
                    (c, [x], beta)
                    for c in (1e-6, 2.0)
                    for x in (0.0, 30.0)
                    for beta in (0.0, 1e-6, 0.5, 1 - 2**-24, 1.0)
                ]
            ),
            gradient=False,
        )
    ],
    "genjax.energy.log_partition_enumeration": [
        Case(
            lambda e, chunk=chunk: (
                energy.log_partition_enumeration(lambda i: e[i], jnp.arange(5), chunk_size=chunk).log_z
            ),
            stack(
                *[
                    ([s, -s, 1e-6, s + 1, wall],)
                    for s in (0.0, 1e-6, 20.0, 1e4)
                    for wall in (0.0, 1e4, np.inf)
                ]
            ),
            lambda e: log_sum_exp(-e),
            terms=lambda e: [
                np.where(np.isfinite(e), np.abs(e), 0).max(1) + 1,
                np.where(np.isfinite(e), np.abs(e), 0).max(1) * (np.abs(e).min(1) > 0),
            ],
        )
        for chunk in (1, 2, 5)
    ]
    + [
        Case(
            lambda e: energy.log_partition_enumeration(lambda i: e[i % 3], jnp.arange(150_000)).log_z,
            (np.array([[-1e4, -1e4, -1e4], [0.0, 1.0, 2.0]]),),
            lambda e: log_sum_exp(-e) + log(50_000 * exp(e[0] - e[0])),
            gradient=False,
        )
    ],
    "genjax.energy.log_partition_quadrature": [
        Case(
            lambda theta, lower, upper, energy_of=energy_of, n=n: (
                energy.log_partition_quadrature(
                    energy_of(theta), lower, upper, num_points=n, chunk_size=7
                ).log_z
            ),
            stack(
                *[
                    ([theta, 1.0], [-a, -1.0], [b, 2.0])
                    for theta in (1e-6, 1.0, 100.0)
                    for a, b in ((1.0, 2.0), (1e-3, 1e-3), (5.0, 6.0))
                ]
            ),
            terms=lambda theta, lower, upper: [
                1.0,
                (lower**2 + upper**2).sum(1),
                theta.max(1) * np.abs(lower).max(1) + 1 / (upper - lower).min(1),
                theta.max(1) * np.abs(upper).max(1) + 1 / (upper - lower).min(1),
            ],
        )
        for energy_of in (quadratic, walled)
        for n in (16, 33)
    ],
    "genjax.energy.noise_contrastive_estimation": [
        Case(
            lambda c, log_z, x, noise: energy.noise_contrastive_estimation(
                lambda y: 0.5 * jnp.sum(c * (y - 0.3) ** 2),
                densities.standard_normal_log_prob,
                log_z,
                x,
                noise,
            ),
            stack(
                *[
                    (c, log_z, [x], [[-x], [0.1]])
                    for c in (1e-3, 1.0, 30.0)
                    for log_z in (-100.0, 0.0, 100.0)
                    for x in (0.0, 1.0, 30.0)
                ]
            ),
            terms=lambda c, z, x, y: [
                np.abs(z) + c * (x**2).sum(1) + 1,
                (x**2).sum(1),
                1.0,
                (c + 1) * (np.abs(x).max(1) + 1),
                (c + 1) * (np.abs(x).max(1) + 1),
            ],
        )
    ],
    "genjax.energy.metropolis_langevin": [
        Case(
            lambda theta, x, eta: energy.metropolis_langevin(
                KEY, quadratic(theta), x, step_size=eta, num_steps=3
            ),
            stack(
                *[
                    ([1.0, c], [x, -x], eta)
                    for c in (1e-3, 1.0, 10.0)
                    for x in (0.1, 3.0)
                    for eta in (1e-4, 0.05)
                ]
            ),
            terms=lambda theta, x, eta: [10.0, *[100.0 / np.sqrt(eta)] * 3],
        )
    ],
    "genjax.energy.AnnealedRun": [
        Case(annealed, WEIGHTS, exact_annealed, terms=lambda a: [1.0, 1.0]),
        Case(annealed, (np.array([[-1e4] * 3, [7.0] * 3]),), exact_annealed, gradient=False),
    ],
}

# The gradient in a corner is the difference of what moves in and what is stretched.
TERMS = {
    "genjax.energy.log_partition_quadrature": lambda theta, lower, upper: [1.0] * 4,
    # The gradient of a log-probability is a difference of expectations of this size.
    "genjax.energy.RestrictedBoltzmann": lambda *args: [1.0] * (1 + len(args)),
    # The slope of a standard error is a difference of a weight's slope, of this size, from the mean one.
    "genjax.energy.annealed_bracket": lambda *args: [0.0, 0.0, 0.1, 0.1],
}

EXEMPT = {
    "genjax.energy.Bracket": "a record, and the difference of its fields",
    "genjax.energy.LogPartition": "a record",
    "genjax.energy.MetropolisChain": "a record",
}

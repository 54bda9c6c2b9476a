"""Energy-based models."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from genjax import densities, energy

from .row import KEY, NAN, ONE, TWO, Row, normal


def quadratic(theta):
    return lambda x: 0.5 * jnp.sum(theta * (x - 0.3) ** 2)


def annealing_path(theta):
    """The path from N(0, 1/θ) to the quadratic energy, and a draw of it that depends on nothing but its key."""
    path = energy.geometric_path(lambda x: 0.5 * jnp.sum(theta * x**2), quadratic(theta))
    return path, lambda key, x, beta: jax.random.normal(key, x.shape, x.dtype)


def boltzmann(weights, visible_bias, hidden_bias):
    rbm = energy.RestrictedBoltzmann(weights, visible_bias, hidden_bias)
    v, h = jnp.array([1, 0, 1]), jnp.array([0, 1])
    path = rbm.tempered(0.3, jnp.sin(visible_bias))
    return rbm.energy(v, h), rbm.free_energy(v), rbm.log_partition(), path.log_prob(v)


def half_square(x):
    return jnp.sum(x**2) / 2


def grid(lower, upper, energy_fn=half_square, num_points=4):
    return energy.log_partition_quadrature(energy_fn, lower, upper, num_points=num_points)


def anneal(x, betas, energy_fn=lambda x, beta: half_square(x)):
    return energy.annealed_importance_sampling(KEY, energy_fn, lambda key, x, beta: x, x, betas)


def langevin(x, step_size=0.1, energy_fn=half_square):
    return energy.metropolis_langevin(KEY, energy_fn, x, step_size=step_size)


def boltzmann_zeros(*shapes):
    return energy.RestrictedBoltzmann(*map(jnp.zeros, shapes))


ROWS = {
    "genjax.energy.ReplayBuffer": Row(
        lambda key, chains, x: energy.ReplayBuffer(chains).draw(key, x)[1],
        (KEY, normal(4, 2), normal(3, 2)),
    ),
    "genjax.energy.RestrictedBoltzmann": Row(boltzmann, (normal(3, 2), normal(3), normal(2)), bfloat16=False),
    "genjax.energy.annealed_bracket": Row(
        lambda key, theta, x, y: energy.annealed_bracket(
            key, *annealing_path(theta), x, y, jnp.array([0, 0.5, 1], x.dtype), base_log_z=0.0
        ),
        (KEY, np.array([1.0, 2.0]), normal(3, 2), normal(3, 2)),
        bfloat16=False,
    ),
    "genjax.energy.annealed_importance_sampling": Row(
        lambda key, theta, x, betas: energy.annealed_importance_sampling(
            key, *annealing_path(theta), x, betas
        ),
        (KEY, np.array([1.0, 2.0]), normal(3, 2), np.array([0.1, 0.5, 0.9])),
        bfloat16=False,
    ),
    "genjax.energy.base_rate_logits": Row(
        lambda v: energy.base_rate_logits((v > 0).astype(v.dtype)), (normal(5, 3),), gradient="none"
    ),
    "genjax.energy.boltzmann_bracket": Row(
        lambda key, weights, b, a, base_bias, betas: energy.boltzmann_bracket(
            key,
            energy.RestrictedBoltzmann(weights, b, a),
            base_bias,
            (betas - betas[0]) / (betas[-1] - betas[0]),
            num_chains=4,
        ),
        (KEY, normal(3, 2), normal(3), normal(2), normal(3), np.linspace(0.0, 2.0, 5)),
        gradient="none",
        bfloat16=False,
        slow=True,
    ),
    "genjax.energy.contrastive_divergence": Row(
        lambda theta, x, y: energy.contrastive_divergence(quadratic(theta), x, y),
        (normal(3), normal(3), normal(3)),
        gradient="estimator",
    ),
    "genjax.energy.geometric_path": Row(
        lambda theta, x, beta: annealing_path(theta)[0](x, beta), (normal(3), normal(3), np.array(0.3))
    ),
    "genjax.energy.log_partition_enumeration": Row(
        lambda theta, states: energy.log_partition_enumeration(quadratic(theta), states, chunk_size=4),
        (normal(2), normal(6, 2)),
    ),
    "genjax.energy.log_partition_quadrature": Row(
        lambda theta, lower, upper: energy.log_partition_quadrature(
            quadratic(theta), lower, upper, num_points=9, chunk_size=40
        ),
        (np.array([1.0, 2.0]), np.array([-3.0, -2.0]), np.array([2.5, 3.0])),
        bfloat16=False,
    ),
    "genjax.energy.metropolis_langevin": Row(
        lambda key, theta, x, eta: energy.metropolis_langevin(
            key, quadratic(theta), x, step_size=eta, num_steps=2
        ),
        (KEY, np.array([1.0, 2.0]), normal(2), np.array(0.1)),
    ),
    "genjax.energy.noise_contrastive_estimation": Row(
        lambda theta, log_z, x, y: energy.noise_contrastive_estimation(
            quadratic(theta), densities.standard_normal_log_prob, log_z, x, y
        ),
        (normal(3), np.array(0.4), normal(3), normal(2, 3)),
    ),
}

RECORDS = {
    "genjax.energy.AnnealedRun": "tests/energy/test_annealing.py",
    "genjax.energy.Bracket": "tests/energy/test_annealing.py",
    "genjax.energy.LogPartition": "tests/energy/test_partition.py",
    "genjax.energy.MetropolisChain": "tests/energy/test_langevin.py",
}

STRUCTURE = [
    (grid, (TWO, ONE), ValueError, r"lower \(2,\), upper \(1,\)"),
    (grid, (jnp.zeros(4), jnp.ones(4)), ValueError, r"4 dimensions costs 4\^4 = 10\^2\.4 energies"),
    (partial(grid, num_points=1), (-TWO, TWO + 1), ValueError, "num_points must be at least 2; got 1"),
    (partial(grid, energy_fn=lambda x: x), (TWO - 1, TWO), ValueError, r"energy_fn\(x\) must be a scalar"),
    (partial(energy.log_partition_enumeration, half_square), (jnp.zeros((0, 2)),), ValueError, "one state"),
    (
        anneal,
        (jnp.zeros((3, 2)), ONE),
        ValueError,
        r"betas must be a vector of at least two; got shape \(1,\)",
    ),
    (anneal, (jnp.zeros((0, 2)), TWO), ValueError, r"at least one chain; got shape \(0, 2\)"),
    (partial(langevin, step_size=TWO), (TWO,), ValueError, "step_size must be a scalar"),
    (partial(energy.contrastive_divergence, half_square), (TWO, ONE), ValueError, r"x_model \(1,\)"),
    (
        partial(energy.noise_contrastive_estimation, half_square, densities.standard_normal_log_prob),
        (jnp.zeros(()), TWO, TWO),
        ValueError,
        r"x_noise \(2,\), x_data \(2,\)",
    ),
    (
        boltzmann_zeros((3, 2), 3, 2).free_energy,
        (TWO,),
        ValueError,
        r"v must have one entry for each unit, \(3,\)",
    ),
    (
        lambda x: boltzmann_zeros((3, 2), 2, 3).log_partition().log_z + x,
        (ONE,),
        ValueError,
        r"got weights \(3, 2\)",
    ),
    (
        lambda x: boltzmann_zeros((30, 25), 30, 25).log_partition().log_z + x,
        (ONE,),
        ValueError,
        r"25 units and so 2\^25",
    ),
]

VALUES = [
    (grid, (TWO, TWO), "upper must exceed lower; got 0.0 at flat position 0"),
    (
        partial(grid, energy_fn=lambda x: jnp.log(x[0])),
        (TWO - 1, TWO + 1),
        r"energy must be a number or \+inf",
    ),
    (partial(grid, energy_fn=lambda x: -jnp.inf / x[0] ** 2), (TWO - 1, TWO), "energy must be a number"),
    (partial(grid, energy_fn=lambda x: jnp.inf / x[0] ** 2), (TWO - 1, TWO), "log Z must be finite"),
    (partial(energy.log_partition_enumeration, jnp.sum), (NAN[:, None],), "energy must be a number"),
    (anneal, (NAN[:, None], TWO), "the log weight of a chain must be a number"),
    (
        partial(energy.annealed_bracket, KEY, lambda x, beta: x**2, lambda key, x, beta: x, base_log_z=0.0),
        (TWO, TWO, jnp.array([0.0, 0.9])),
        "betas must run from 0 to 1; got 0.89",
    ),
    (langevin, (NAN,), "x must not be NaN"),
    (partial(langevin, step_size=0.0), (TWO,), "step_size must be positive; got 0.0"),
    (partial(langevin, energy_fn=lambda x: jnp.sum(jnp.sqrt(x))), (TWO - 1,), "x must stay a number"),
    (
        partial(energy.contrastive_divergence, jnp.sum),
        (NAN, TWO),
        r"energy must be a number or \+inf; got nan",
    ),
    (boltzmann_zeros((2, 2), 2, 2).free_energy, (jnp.array([0.5, 1.0]),), "v must be 0 or 1; got 0.5"),
    (energy.base_rate_logits, (jnp.array([[0.0, 3.0]]),), "v must be 0 or 1; got 3.0"),
]

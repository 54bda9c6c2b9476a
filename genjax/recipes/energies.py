"""Energies with all that it takes to learn them, to sample them and to bracket their partition function."""

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp

from genjax import energy, nn
from genjax.densities import normal_log_prob
from genjax.faults import UsageError

if TYPE_CHECKING:
    from genjax.recipes.energy import Config

__all__ = ["Parts", "boltzmann_machine", "network"]


class Parts(NamedTuple):
    """An energy, and what it takes to learn it, to sample it and to bracket its partition function."""

    init: Callable  # init(key, x) -> params
    energy: Callable  # energy(params, x), nats
    transition: Callable  # transition(params, key, x) -> x
    fresh: Callable  # fresh(params, key) -> x, the start of a chain
    log_z: Callable  # log_z(params) -> LogPartition
    sample: Callable  # sample(params, key) -> x, exact or as near as the grid allows
    bracket: Callable  # bracket(params, key, x_train) -> Bracket


def network(config: "Config") -> Parts:
    """A perceptron on top of a Gaussian, in the plane; transitions are Metropolis-adjusted Langevin steps."""
    init, net = nn.functional(lambda rngs: nn.MLP(2, config.hidden, 1, activation=jax.nn.swish, rngs=rngs))
    log_var = jnp.full(2, 2 * math.log(config.scale))
    base = lambda x: -normal_log_prob(x, jnp.zeros(2), log_var)
    total = lambda params, x: net(params, x)[0] + base(x)
    langevin = partial(energy.metropolis_langevin, step_size=config.step_size)
    half = max(config.bound, 4 * config.scale)  # of the square that quadrature covers
    corner = jnp.full(2, half)
    cells = 400
    side = 2 * half / cells

    def sample(params, key):
        """A cell of a grid by its mass, and uniform within."""
        key_cell, key_place = jax.random.split(key)
        axis = -half + side * (jnp.arange(cells) + 0.5)
        centers = jnp.stack(jnp.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
        mass = jnp.cumsum(jax.nn.softmax(-jax.vmap(partial(total, params))(centers)))
        cell = jnp.searchsorted(mass, mass[-1] * jax.random.uniform(key_cell))
        return centers[cell] + side * (jax.random.uniform(key_place, (2,)) - 0.5)

    def bracket(params, key, x_train):
        key_base, key_model, key_run = jax.random.split(key, 3)
        path = energy.geometric_path(base, partial(total, params))
        move = lambda key, x, beta: langevin(key, lambda x: path(x, beta), x, num_steps=config.sweeps).x
        draw = lambda one, key: jax.vmap(partial(one, params))(jax.random.split(key, config.annealing_chains))
        starts, ends = draw(fresh, key_base), draw(sample, key_model)
        betas = jnp.linspace(0.0, 1.0, config.temperatures)
        return energy.annealed_bracket(key_run, path, move, starts, ends, betas, base_log_z=0.0)

    fresh = lambda params, key: config.scale * jax.random.normal(key, (2,))
    return Parts(
        lambda key, x: init(key),
        total,
        lambda params, key, x: langevin(key, partial(total, params), x, num_steps=config.chain_steps).x,
        fresh,
        lambda p: energy.log_partition_quadrature(partial(total, p), -corner, corner, num_points=200),
        sample,
        bracket,
    )


def boltzmann_machine(config: "Config") -> Parts:
    """A restricted Boltzmann machine whose visible biases start at the independent pixels of the training data."""
    if config.precision != "float32":
        raise UsageError(f"--precision {config.precision} is for networks, and this machine has none")

    def init(key, x):
        weights = 0.01 * jax.random.normal(key, (x.shape[1], config.hidden_units))
        return energy.RestrictedBoltzmann(weights, energy.base_rate_logits(x), jnp.zeros(config.hidden_units))

    def bracket(rbm, key, x_train):
        betas = jnp.linspace(0.0, 1.0, config.temperatures)
        sizes = {"num_chains": config.annealing_chains, "num_sweeps": config.sweeps}
        return energy.boltzmann_bracket(key, rbm, energy.base_rate_logits(x_train), betas, **sizes)

    return Parts(
        init,
        lambda rbm, v: rbm.free_energy(v),
        lambda rbm, key, v: rbm.gibbs(key, v, num_steps=config.chain_steps),
        lambda rbm, key: jax.random.bernoulli(key, jax.nn.sigmoid(rbm.visible_bias)).astype(jnp.float32),
        lambda rbm: rbm.log_partition(),
        lambda rbm, key: rbm.sample_exact(key, 1)[0],
        bracket,
    )

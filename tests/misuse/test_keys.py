"""Every public function with a key refuses a legacy key and several keys."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax import autoregressive, diffusion, energy, flow_matching, oracles

from ..registry import ROWS
from ..registry.diffusion import CONTINUOUS, LINEAR, VP, field
from ..registry.row import KEY, TWO
from ..test_registry import PUBLIC, cast, is_key

pytestmark = pytest.mark.usefixtures("untyped", "standard_promotion")

RBM = energy.RestrictedBoltzmann(jnp.zeros((3, 2)), jnp.zeros(3), jnp.zeros(2))
HALF = jnp.array([0.5, 0.5])
EYE = jnp.eye(2)

KEYED = {
    "genjax.autoregressive.random_degrees": lambda key: autoregressive.random_degrees(key, 3, (4,)),
    "genjax.diffusion.DiscreteSchedule.sample_time": LINEAR.sample_time,
    "genjax.diffusion.log_prob": lambda key: diffusion.log_prob(key, field, VP, TWO),
    "genjax.diffusion.logit_normal_time": diffusion.logit_normal_time,
    "genjax.diffusion.low_discrepancy_times": lambda key: diffusion.low_discrepancy_times(key, 3),
    "genjax.diffusion.prior_sample": lambda key: diffusion.prior_sample(key, VP, (2,)),
    "genjax.energy.ReplayBuffer.draw": lambda key: energy.ReplayBuffer(EYE).draw(key, EYE),
    "genjax.energy.RestrictedBoltzmann.gibbs": lambda key: RBM.gibbs(key, jnp.zeros(3)),
    "genjax.energy.RestrictedBoltzmann.sample_exact": lambda key: RBM.sample_exact(key, 2),
    "genjax.flow_matching.log_prob": lambda key: flow_matching.log_prob(key, field, TWO),
    "genjax.oracles.AutoregressiveTable.sample": lambda key: oracles.AutoregressiveTable((TWO, EYE)).sample(
        key, 2
    ),
    "genjax.oracles.EnumerableEnergy.sample": lambda key: oracles.EnumerableEnergy(EYE).sample(key, 2),
    "genjax.oracles.GaussianMixture.sample": lambda key: oracles.GaussianMixture(
        HALF, EYE, jnp.stack([EYE, EYE])
    ).sample(key, 2),
    "genjax.oracles.LinearGaussian.sample": lambda key: oracles.LinearGaussian(EYE, TWO, TWO).sample(key, 2),
} | {f"genjax.diffusion.{name}.sample_time": s.sample_time for name, s in CONTINUOUS.items()}
"""What takes a key and has no row with one, or is a method."""


def takers_of_keys():
    """Every public function with a key, and every method of a public class."""
    for name, value in PUBLIC.items():
        if inspect.isclass(value):
            methods = inspect.getmembers(value, inspect.isfunction)
            of_keys = [m for m, fn in methods if "key" in inspect.signature(fn).parameters]
            yield from (f"{name}.{method}" for method in of_keys if not method.startswith("_"))
        elif callable(value) and "key" in inspect.signature(value).parameters:
            yield name


def by_row(row):
    """A row as a function of its key alone."""
    place = next(i for i, arg in enumerate(row.args) if is_key(arg))
    args = cast(row.args, np.float32)
    return lambda key: row.call(*args[:place], key, *args[place + 1 :])


WITH_ROW = {name: by_row(row) for name, row in ROWS.items() if any(map(is_key, row.args))}


def test_every_function_that_takes_a_key_is_tried():
    assert set(takers_of_keys()) <= set(WITH_ROW) | set(KEYED)


@pytest.mark.parametrize("name", sorted(WITH_ROW | KEYED))
def test_legacy_keys_and_several_keys_are_refused(name):
    call = (WITH_ROW | KEYED)[name]
    with pytest.raises(TypeError, match=r"key must be a typed key from jax\.random\.key; got uint32"):
        jax.eval_shape(call, jax.random.PRNGKey(0))
    with pytest.raises(ValueError, match=r"key must be one key, of shape \(\); got shape \(2,\)"):
        jax.eval_shape(call, jax.random.split(KEY))

"""Matrix products of references and likelihoods ask for full precision.

GPUs and TPUs multiply float32 in TF32 or bfloat16 unless asked not to. What that does to the digits cannot be seen on
a CPU; that each product asks is seen in the program.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.core import jaxprs_in_params
from jax.lax import Precision

from .registry import ROWS

NAMES = [
    "genjax.divergences.gaussian_frechet_distance",
    "genjax.energy.RestrictedBoltzmann",
    "genjax.energy.boltzmann_bracket",
    "genjax.flow.InvertibleLinear",
    "genjax.metrics.frechet_distance",
    "genjax.oracles.EnumerableEnergy",
    "genjax.oracles.GaussianMixture",
    "genjax.oracles.LinearGaussian",
]


def products(jaxpr):
    """The precision of every matrix product of a program, inner programs included."""
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            yield equation.params["precision"]
        for inner in jaxprs_in_params(equation.params):
            yield from products(inner)


def is_full(precision):
    return set(precision if isinstance(precision, tuple) else (precision,)) == {Precision.HIGHEST}


@pytest.mark.parametrize("name", NAMES)
def test_matrix_products_ask_for_full_precision(name):
    row = ROWS[name]
    args = [jnp.asarray(a, jnp.float32) if isinstance(a, np.ndarray) else a for a in row.args]
    found = list(products(jax.make_jaxpr(row.call)(*args).jaxpr))
    assert found
    assert all(map(is_full, found)), found


def test_a_product_that_does_not_ask_is_found():
    found = list(products(jax.make_jaxpr(jax.jit(lambda a: a @ a))(jnp.eye(2)).jaxpr))
    assert found
    assert not any(map(is_full, found))

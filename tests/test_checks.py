"""Errors: each names what was wrong and quotes both sides, eagerly and through `checked`."""

import re

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import optax
import pytest

import genjax
from genjax import autoregressive, data, densities, energy, flow, metrics, transport, vae
from genjax._checks import check_count
from genjax.training import fit, make_step

from .registry import STRUCTURE, VALUES
from .registry.row import KEY, ONE, TWO
from .registry.vae import encode, log_likelihood


@pytest.mark.usefixtures("untyped")
@pytest.mark.parametrize(("fn", "args", "error", "message"), STRUCTURE)
def test_faults_of_structure_raise_eagerly_under_jit_and_through_checked(fn, args, error, message):
    for call in (fn, jax.jit(lambda *a: fn(*a)), genjax.checked(lambda *a: fn(*a))):
        with pytest.raises(error, match=message):
            call(*args)


@pytest.mark.usefixtures("untyped")
@pytest.mark.parametrize(("fn", "args", "message"), VALUES)
def test_faults_of_value_raise_eagerly_and_through_checked_and_give_nan_under_jit(fn, args, message):
    with pytest.raises(ValueError, match=message):
        fn(*args)
    with pytest.raises(ValueError, match=message):
        genjax.checked(fn)(*args)
    leaves = jax.tree.leaves(jax.jit(fn)(*args))
    assert any(jnp.isnan(leaf).any() for leaf in leaves)


def test_checked_sees_into_a_function_that_was_compiled_before_and_into_batches():
    compiled = jax.jit(jax.vmap(densities.standard_normal_log_prob))
    x = jnp.zeros((3, 2))
    assert jnp.isfinite(compiled(x)).all()
    with pytest.raises(ValueError, match="x must not be NaN"):
        genjax.checked(compiled)(x.at[1, 1].set(jnp.nan))
    assert jnp.isfinite(genjax.checked(compiled)(x)).all()
    assert jnp.isnan(compiled(x.at[1, 1].set(jnp.nan))[1])


def test_checks_leave_no_effect_in_a_compiled_program():
    program = jax.make_jaxpr(lambda x: vae.negative_elbo(KEY, encode, log_likelihood, x, num_samples=2))(TWO)
    assert not program.effects


def test_the_type_check_of_the_tests_bites():
    with pytest.raises(jaxtyping.TypeCheckError):
        densities.normal_log_prob(TWO, ONE, TWO)


def _chain(n):
    return energy.metropolis_langevin(
        KEY, lambda x: jnp.sum(x**2), jnp.zeros(2), step_size=0.1, num_steps=n
    ).x


def _fit(n):
    init, step = make_step(lambda params, key, batch: jnp.mean((params[None] - batch) ** 2), optax.sgd(0.1))
    state = init(jnp.zeros(3))
    with jax.numpy_dtype_promotion("standard"):
        return fit(KEY, step, state, jnp.ones((4, 3)), num_steps=n, batch_size=n)[0].params


LEVELS = jnp.array([0, 2, 3])
COUNTED = {
    "bits_per_dim": lambda n: genjax.bits_per_dim(jnp.array(10.0), n, num_levels=n),
    "dequantize": lambda n: genjax.dequantize(LEVELS, jnp.full(3, 0.5), num_levels=n),
    "discretized_logistic_log_prob": lambda n: genjax.densities.discretized_logistic_log_prob(
        2 * LEVELS / (int(n) - 1) - 1, jnp.zeros(3), jnp.zeros(3), num_levels=n
    ),
    "binarize": lambda n: data.binarize(KEY, LEVELS, num_levels=n),
    "centred_levels": lambda n: data.centred_levels(LEVELS, n),
    "Pinwheel": lambda n: data.Pinwheel(num_arms=n).log_prob(jnp.ones(2)),
    "Pinwheel.sample": lambda n: data.Pinwheel(num_arms=n).sample(KEY, n),
    "GaussianGrid": lambda n: data.GaussianGrid(side=n).log_prob(jnp.ones(2)),
    "GaussianRing": lambda n: data.GaussianRing(num_modes=n).log_prob(jnp.ones(2)),
    "importance_weighted_elbo": lambda n: vae.importance_weighted_elbo(
        KEY, encode, log_likelihood, jnp.ones(3), num_samples=n
    ),
    "log_evidence": lambda n: vae.log_evidence(
        KEY, encode, log_likelihood, jnp.ones(3), num_samples=n, chunk_size=n
    ),
    "log_partition_quadrature": lambda n: (
        energy.log_partition_quadrature(
            lambda x: jnp.sum(x**2), -jnp.ones(3), jnp.ones(3), num_points=n, chunk_size=n
        ).log_z
    ),
    "log_partition_enumeration": lambda n: (
        energy.log_partition_enumeration(lambda x: jnp.sum(x), jnp.ones((9, 2)), chunk_size=n).log_z
    ),
    "metropolis_langevin": _chain,
    "precision_recall": lambda n: (
        metrics.precision_recall(*jax.random.normal(KEY, (2, 20, 2)), k=n).precision
    ),
    "sample": lambda n: autoregressive.sample(KEY, lambda x: jnp.zeros((int(n), 3)), n, prefix=LEVELS[:2]),
    "sequential_degrees": lambda n: jnp.array(autoregressive.sequential_degrees(n, (n,))),
    "made_masks": lambda n: jnp.array(autoregressive.made_masks(n, ())),
    "transport.integrate": lambda n: (
        transport.integrate(lambda x, t: -x, jnp.ones(2), start=0.0, end=1.0, num_steps=n, max_steps=n).x
    ),
    "flow.check": lambda n: (
        flow.check(
            flow.Affine(shift=jnp.ones(1), log_scale=jnp.zeros(1)), jnp.zeros(1), num_points=n, grid_size=n
        ).mass
    ),
    "fit": _fit,
}


@pytest.mark.usefixtures("untyped")
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(n, marks=[pytest.mark.slow] * (n in ("fit", "flow.check", "transport.integrate")))
        for n in COUNTED
    ],
)
def test_a_count_may_be_an_integer_of_numpy(name):
    expected = np.asarray(COUNTED[name](5))
    for integer in (np.int64, np.int32, np.uint8):
        got = np.asarray(COUNTED[name](integer(5)))
        assert got.dtype == expected.dtype
        np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(COUNTED[name](np.prod((5, 1))), expected)


@pytest.mark.slow
def test_a_small_integer_of_numpy_does_not_overflow(untyped):
    assert np.isfinite(data.GaussianGrid(side=np.uint8(16)).log_prob(jnp.ones(2)))
    flat = lambda n: energy.log_partition_quadrature(
        lambda x: 0 * x[0], jnp.zeros(2), jnp.ones(2), num_points=n
    )
    np.testing.assert_allclose(flat(np.int8(100)).log_z, 0, atol=1e-5)


@pytest.mark.parametrize("count", [5.0, np.float32(5), True, np.True_, "5", None, np.array(5.0), [5]])
def test_what_is_no_integer_is_no_count(count):
    with pytest.raises(TypeError, match=re.escape(f"n must be a Python int; got {type(count).__name__}")):
        check_count(n=count)


@pytest.mark.parametrize("count", [0, -1, np.int64(0), np.int32(-3)])
def test_a_count_is_at_least_one(count):
    with pytest.raises(ValueError, match=re.escape(f"n must be at least 1; got {count}")):
        check_count(n=count)

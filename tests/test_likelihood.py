"""Units of likelihood: dequantisation and bits per dimension."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genjax import Kind, Likelihood, bits_per_dim, dequantize


def test_dequantization_keeps_the_level():
    levels = jnp.arange(256).repeat(3)
    noise = jnp.tile(jnp.array([0.0, 0.5, 1 - 2**-12]), 256)
    x = dequantize(levels, noise)
    assert (x >= 0).all()
    assert (x < 1).all()
    np.testing.assert_array_equal(jnp.floor(x * 256).astype(int), levels)


@pytest.mark.parametrize("num_levels", [1, 2, 3, 5, 17, 100, 255, 256, 1000, 65536, 2**20])
def test_rounding_never_leaves_the_bin(num_levels):
    """At both ends of every bin: the level comes back in exact arithmetic and in float32, and the slope is 1 / K."""
    levels = np.unique(np.linspace(0, num_levels - 1, 4096).astype(int))
    spread = jax.jit(jax.vmap(jax.value_and_grad(lambda u, v: dequantize(v, u, num_levels=num_levels))))
    for noise in (0.0, 2**-100, 2**-24, 0.5, 1 - 2**-24):
        x, slope = spread(jnp.full(len(levels), noise, jnp.float32), jnp.asarray(levels))
        assert (np.float32(x) < 1).all()
        np.testing.assert_array_equal(np.floor(np.float64(x) * num_levels), levels)  # exact: 24 + 21 bits
        np.testing.assert_array_equal(np.floor(np.float32(x) * np.float32(num_levels)), levels)
        np.testing.assert_allclose(np.float64(x), (levels + noise) / num_levels, rtol=4e-7)
        np.testing.assert_allclose(slope, 1 / num_levels, rtol=1e-6)


def test_more_levels_than_digits_are_refused():
    with pytest.raises(ValueError, match="num_levels must be at most 1048576 in float32; got 1048577"):
        dequantize(jnp.array(0), jnp.array(0.5), num_levels=2**20 + 1)


def test_bytes_are_levels_like_any_integers():
    levels = jnp.array([0, 255], jnp.uint8)
    np.testing.assert_array_equal(
        dequantize(levels, jnp.zeros(2)), dequantize(levels.astype(int), jnp.zeros(2))
    )


@given(dims=st.integers(1, 3000), levels=st.integers(1, 65536))
def test_the_uniform_density_costs_the_levels_in_bits(dims, levels):
    # On [0, 1) the uniform density has nll 0, and each of the levels costs log2(levels) bits.
    np.testing.assert_allclose(
        bits_per_dim(jnp.array(0.0), dims, num_levels=levels), np.log2(levels), rtol=1e-6
    )


def test_bits_of_a_discrete_model_are_its_nats():
    nll = 64 * np.log(17)
    np.testing.assert_allclose(bits_per_dim(nll, 64, num_levels=1), np.log2(17), rtol=1e-6)


def test_change_of_units_matches_a_density_on_levels():
    # A density on [0, 256) has nll larger by D log 256: bits/dim of it needs no Jacobian.
    nll_unit, dims = 3.7, 5
    nll_levels = nll_unit + dims * np.log(256)
    np.testing.assert_allclose(
        bits_per_dim(nll_unit, dims), bits_per_dim(nll_levels, dims, num_levels=1), rtol=1e-6
    )


def test_likelihood_record_names_its_kind():
    record = Likelihood(nats=-1.0, num_dims=2, kind=Kind.ESTIMATE, standard_error=0.1)
    assert record.kind == "estimate"
    assert {str(k) for k in Kind} == {"exact", "lower bound", "estimate"}


@pytest.mark.usefixtures("untyped")
def test_values_out_of_range_are_refused_and_nan_under_jit():
    with pytest.raises(ValueError, match=r"levels must lie in 0\.\.255; got 256 at flat position 1"):
        dequantize(jnp.array([0, 256]), jnp.zeros(2))
    with pytest.raises(ValueError, match=r"noise must lie in \[0, 1\); got 1\.0"):
        dequantize(jnp.array([0]), jnp.ones(1))
    x = jax.jit(dequantize)(jnp.array([0, 256]), jnp.zeros(2))
    np.testing.assert_array_equal(jnp.isnan(x), [False, True])

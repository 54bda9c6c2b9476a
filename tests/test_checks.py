"""Errors: each names what was wrong and quotes both sides, eagerly and through `checked`."""

import jax
import jax.numpy as jnp
import jaxtyping
import pytest

import genjax
from genjax import densities, vae

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

"""Penalties on slopes: closed forms, every event shape, zero slopes, extreme slopes, gradients in the weights."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax import gan

W = np.array([[0.4, -0.3], [1.1, 0.2], [-0.7, 0.5]])


def quadratic(a):
    """c(x) = ½ xᵀ A x of a symmetric A: its slope is A x."""
    return lambda x: 0.5 * x @ a @ x


def test_the_squared_norm_is_over_the_whole_event_and_of_the_raw_logit():
    for shift in (-20.0, 0.0, 20.0):
        critic = lambda x, shift=shift: jnp.sum(jnp.asarray(W, jnp.float32) * x) + shift
        x = jnp.zeros((3, 2))
        np.testing.assert_allclose(gan.squared_gradient_norm(critic, x), np.sum(W**2), rtol=1e-6)
        norm = np.sqrt(np.sum(W**2))
        np.testing.assert_allclose(gan.gradient_penalty(critic, x), (norm - 1) ** 2, rtol=1e-5)


@pytest.mark.parametrize("target", [0.0, 0.5, 1.0, 3.0])
@pytest.mark.parametrize("one_sided", [False, True])
def test_the_penalty_and_its_gradient_in_the_critic_are_those_of_the_closed_form(target, one_sided, x64):
    a, x = jnp.array([[1.0, 0.3], [0.3, -0.5]]), jnp.array([0.7, -1.1])

    def closed(a):
        excess = jnp.linalg.norm(a @ x) - target
        return jnp.where(one_sided & (excess < 0), 0.0, excess**2)

    penalty = lambda a: gan.gradient_penalty(quadratic((a + a.T) / 2), x, target=target, one_sided=one_sided)
    np.testing.assert_allclose(penalty(a), closed(a), rtol=1e-12)
    symmetric = jax.grad(lambda a: closed((a + a.T) / 2))(a)
    np.testing.assert_allclose(jax.grad(penalty)(a), symmetric, rtol=1e-12)
    # Two-sided to a target of zero is the squared norm, R1.
    np.testing.assert_allclose(
        gan.gradient_penalty(quadratic(a), x, target=0.0), gan.squared_gradient_norm(quadratic(a), x)
    )


@pytest.mark.parametrize("one_sided", [False, True])
def test_a_slope_of_zero_has_a_finite_penalty_and_gradient(one_sided):
    flat = lambda w: gan.gradient_penalty(lambda x: w @ x, jnp.ones(2), one_sided=one_sided)
    value, slope = jax.value_and_grad(flat)(jnp.zeros(2))
    assert value == (0 if one_sided else 1)
    np.testing.assert_array_equal(slope, np.zeros(2))
    dead = lambda w: gan.gradient_penalty(lambda x: jnp.sum(jax.nn.relu(w * x - 5)), jnp.ones(2))
    assert np.isfinite(jax.grad(dead)(jnp.ones(2))).all()
    assert np.isfinite(jax.jacfwd(jax.grad(dead))(jnp.ones(2))).all()


@pytest.mark.parametrize("size", [1e-30, 1e-6, 1e6, 1e18])
def test_slopes_whose_squares_leave_float32_keep_their_penalty(size):
    w = jnp.array([3.0, 4.0]) * size
    value = gan.gradient_penalty(lambda x: w @ x, jnp.zeros(2))
    np.testing.assert_allclose(value, (5 * float(w[0]) / 3 - 1) ** 2, rtol=1e-6)


def test_a_batch_is_a_loop_and_no_norm_is_taken_over_it():
    critic = quadratic(jnp.array([[1.0, 0.3], [0.3, -0.5]]))
    x = jax.random.normal(jax.random.key(0), (5, 2))
    mapped = jax.vmap(lambda x: gan.gradient_penalty(critic, x))(x)
    np.testing.assert_allclose(mapped, [gan.gradient_penalty(critic, one) for one in x], rtol=1e-6)


def test_a_negative_target_is_refused():
    with pytest.raises(ValueError, match="target must not be negative; got -1"):
        gan.gradient_penalty(lambda x: x[0], jnp.ones(1), target=-1)

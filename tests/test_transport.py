"""Densities along an ODE: a linear field has its flow, its log-determinant and their gradients in closed form."""

from functools import partial
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from jax.scipy.linalg import expm

import genjax
from genjax.densities import normal_log_prob, standard_normal_log_prob
from genjax.transport import carry, divergence, hutchinson_divergence

A = np.array([[0.3, -0.8, 0.1], [0.5, -0.7, 0.2], [-0.4, 0.6, 0.9]])
X = np.array([1.0, -2.0, 0.5])


def along(A, x, **options):
    return carry(lambda x, t: A @ x, x, start=0.5, end=2.0, **options)


def swirl(x, t):
    """A field whose divergence depends on place and time: Σ t cos(x_i)."""
    return t * jnp.sin(x) + jnp.roll(x, 1)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("options", [{"rtol": 1e-10, "atol": 1e-10}, {"num_steps": 60}])
def test_a_linear_field_by_value_and_gradient(options):
    solved = lambda A, x: along(A, x, **options)
    exact = lambda A, x: (expm(1.5 * A) @ x, 1.5 * jnp.trace(A))

    def both(f):
        def scalar(A, x):
            end, log_det = f(A, x)
            return jnp.sum(jnp.sin(end)) + log_det**2, (end, log_det)

        gradient, value = jax.jit(jax.grad(scalar, (0, 1), has_aux=True))(jnp.asarray(A), jnp.asarray(X))
        return value, gradient

    (value, gradient), (exact_value, exact_gradient) = both(solved), both(exact)
    for a, b in zip(value, exact_value, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8)
    for a, b in zip(gradient, exact_gradient, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-8)


def test_float32_reaches_its_tolerance():
    x, log_det = along(jnp.asarray(A, jnp.float32), jnp.asarray(X, jnp.float32))
    assert x.dtype == log_det.dtype == jnp.float32
    np.testing.assert_allclose(x, scipy.linalg.expm(1.5 * A) @ X, rtol=1e-4)
    np.testing.assert_allclose(log_det, 1.5 * np.trace(A), rtol=1e-4)


@pytest.mark.usefixtures("x64")
def test_the_log_determinant_is_that_of_the_map_and_the_way_back_is_the_inverse():
    x = jnp.array([[0.3, -1.0], [2.0, 0.7]])  # an event of any shape
    tight = partial(carry, swirl, rtol=1e-10, atol=1e-10)

    def there(flat):
        end, log_det = tight(flat.reshape(2, 2), start=0.0, end=1.0)
        return jnp.ravel(end), (end, log_det)

    jacobian, (end, log_det) = jax.jit(jax.jacrev(there, has_aux=True))(jnp.ravel(x))
    np.testing.assert_allclose(log_det, np.linalg.slogdet(jacobian)[1], rtol=1e-7)
    back, back_log_det = tight(end, start=1.0, end=0.0)
    np.testing.assert_allclose(back, x, rtol=1e-8)
    np.testing.assert_allclose(back_log_det, -log_det, rtol=1e-8)


@pytest.mark.usefixtures("x64")
def test_fixed_steps_converge_at_the_order_of_the_method():
    exact = scipy.linalg.expm(1.5 * A) @ X
    error = lambda n: np.linalg.norm(along(jnp.asarray(A), jnp.asarray(X), num_steps=n)[0] - exact)
    order = np.log(error(16) / error(64)) / np.log(4)
    assert 4.5 < order < 5.5, order  # of order 5


@pytest.mark.usefixtures("x64")
def test_all_rademacher_directions_average_to_the_exact_divergence():
    x, t = jnp.asarray(X), jnp.array(0.7)
    directions = jnp.array(list(product([-1.0, 1.0], repeat=3)))
    estimates = jax.jit(jax.vmap(lambda e: hutchinson_divergence(swirl, x, t, e)))(directions)
    expected = 0.7 * np.cos(X).sum()
    np.testing.assert_allclose(divergence(swirl, x, t), expected, rtol=1e-12)
    np.testing.assert_allclose(np.mean(estimates), expected, rtol=1e-12)
    # The field is nonlinear, and yet the path does not depend on the direction: so the solve averages too.
    solve = partial(carry, swirl, x, start=0.0, end=1.0, rtol=1e-10, atol=1e-10)
    ends, log_dets = jax.jit(jax.vmap(lambda e: solve(direction=e)))(directions)
    end, log_det = solve()
    np.testing.assert_allclose(ends, np.broadcast_to(end, ends.shape), rtol=1e-8)
    np.testing.assert_allclose(np.mean(log_dets), log_det, rtol=1e-8)
    assert np.std(log_dets) > 0.1


@pytest.mark.usefixtures("x64")
def test_a_gaussian_is_carried_to_a_gaussian():
    # v = x log 3 scales by 3 in unit time, so N(0, I) becomes N(0, 9 I).
    x = jnp.asarray(X)
    z, log_det = carry(lambda x, t: np.log(3.0) * x, x, start=1.0, end=0.0, rtol=1e-10, atol=1e-10)
    expected = normal_log_prob(x, jnp.zeros(3), jnp.full(3, np.log(9.0)))
    np.testing.assert_allclose(standard_normal_log_prob(z) + log_det, expected, rtol=1e-9)


@pytest.mark.usefixtures("untyped")
def test_faults():
    x = jnp.ones(2)
    go = partial(carry, start=0.0, end=1.0)
    with pytest.raises(ValueError, match=r"x \(2,\), velocity \(1,\)"):
        go(lambda x, t: x[:1], x)
    with pytest.raises(ValueError, match=r"x \(2,\), direction \(3,\)"):
        go(lambda x, t: x, x, direction=jnp.ones(3))
    with pytest.raises(ValueError, match="num_steps must be at least 1; got 0"):
        go(lambda x, t: x, x, num_steps=0)
    with pytest.raises(TypeError, match="x must be float32 or float64"):
        go(lambda x, t: x, x.astype(jnp.bfloat16))
    stiff = lambda x: go(lambda x, t: 1e4 * x, x, max_steps=5)
    with pytest.raises(ValueError, match=r"the solver must reach t = 1.0 within 5 steps; got 5"):
        stiff(x)
    with pytest.raises(ValueError, match=r"the solver must reach t = 1.0 within 5 steps; got 5"):
        genjax.checked(stiff)(x)
    assert all(jnp.isnan(leaf).all() for leaf in jax.jit(stiff)(x))

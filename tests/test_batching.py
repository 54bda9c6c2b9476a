"""The batching wrapper: what is bound is shared, what is called with is mapped."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import genjax


def noisy(key, scale, x, *, shift=0.0):
    return scale * jnp.sum(x * jax.random.normal(key, x.shape)) + shift


def test_expectation_is_the_mean_of_a_loop():
    key, x = jax.random.key(1), jnp.arange(12.0).reshape(4, 3)
    keys = jax.random.split(key, 4)
    loop = jnp.stack([noisy(k, 2.0, row, shift=1.0) for k, row in zip(keys, x, strict=True)])
    np.testing.assert_allclose(genjax.per_example(noisy, 2.0, shift=1.0)(key, x), loop, rtol=1e-6)
    np.testing.assert_allclose(genjax.expectation(noisy, 2.0, shift=1.0)(key, x), loop.mean(), rtol=1e-6)


def test_a_shared_structure_as_long_as_the_batch_is_not_mapped():
    matrix = jnp.arange(25.0).reshape(5, 5)
    x = jnp.ones((5, 5))
    loss = genjax.expectation(lambda key, m, x: x @ m @ x, matrix)
    assert loss(jax.random.key(0), x) == matrix.sum()


def test_draws_do_not_depend_on_the_length_of_the_batch():
    draw = genjax.per_example(lambda key, x: jax.random.normal(key))
    long, short = (draw(jax.random.key(0), jnp.zeros(n)) for n in (8, 4))
    np.testing.assert_array_equal(long[:4], short)


def test_where_is_the_mean_of_the_kept_rows_and_of_none_is_nan():
    key, x = jax.random.key(0), jnp.arange(8.0).reshape(4, 2)
    keep = jnp.array([True, False, True, True])
    loss = genjax.expectation(lambda key, x: (jnp.sum(x), {"x": x}))
    total, terms = loss(key, x, where=keep)
    np.testing.assert_allclose(total, x[keep].sum() / 3, rtol=1e-6)
    np.testing.assert_allclose(terms["x"], x[keep].mean(0), rtol=1e-6)
    assert jnp.isnan(loss(key, x, where=jnp.zeros(4, bool))[0])


def test_labels_and_dropout_keys_reach_a_model_by_closure():
    def loss(params, key, x, label):
        k_loss, k_drop = jax.random.split(key)
        kept = jax.random.bernoulli(k_drop).astype(x.dtype)

        def model(x):
            return params[label] * x * kept

        return jnp.sum(model(x + 0 * jax.random.normal(k_loss, x.shape)))

    key, x, labels = jax.random.key(3), jnp.ones((6, 2)), jnp.array([0, 1, 0, 1, 0, 1])
    gradient = jax.grad(lambda p: genjax.expectation(partial(loss, p))(key, x, labels))(jnp.array([1.0, 2.0]))
    kept = [bool(jax.random.bernoulli(jax.random.split(k)[1])) for k in jax.random.split(key, 6)]
    expected = [sum(2 * k for k, label in zip(kept, labels, strict=True) if label == c) / 6 for c in (0, 1)]
    np.testing.assert_allclose(gradient, expected, rtol=1e-6)


def test_a_faulty_example_is_nan_alone_and_in_the_mean_and_raises_when_checked():
    """A level that is no pixel: refused when concrete; under vmap the row is NaN, without jit and with it."""
    loss = lambda key, x: genjax.densities.bernoulli_log_prob(x, jnp.zeros(2))
    key, x = jax.random.key(0), jnp.array([[0.0, 1.0], [0.0, 2.0], [1.0, 1.0]])
    with pytest.raises(ValueError, match=r"got 2\.0"):
        loss(key, x[1])
    rows, mean = genjax.per_example(loss), genjax.expectation(loss)
    for transform in (lambda f: f, jax.jit):
        np.testing.assert_array_equal(jnp.isnan(transform(rows)(key, x)), [False, True, False])
        assert jnp.isnan(transform(mean)(key, x))
    for f in (rows, mean):
        with pytest.raises(ValueError, match=r"got 2\.0"):
            genjax.checked(f)(key, x)


@pytest.mark.usefixtures("untyped")
@pytest.mark.parametrize(
    ("data", "message"),
    [
        ((jnp.zeros((4, 2)), jnp.zeros(3)), r"\(4, 2\), \(3,\)"),
        ((jnp.zeros((4, 2)), jnp.zeros(())), r"\(4, 2\), \(\)"),
        ((), "no data"),
        ((lambda x: x,), "leading axis"),
    ],
)
def test_data_without_one_leading_axis_is_refused(data, message):
    with pytest.raises(ValueError, match=message):
        genjax.expectation(lambda key, *d: 0.0)(jax.random.key(0), *data)


@pytest.mark.usefixtures("untyped")
def test_where_of_the_wrong_kind_is_refused():
    loss = genjax.expectation(lambda key, x: x)
    with pytest.raises(TypeError, match="where must be boolean; got float32"):
        loss(jax.random.key(0), jnp.zeros(3), where=jnp.ones(3))
    with pytest.raises(ValueError, match=r"where must have shape \(3,\); got \(2,\)"):
        loss(jax.random.key(0), jnp.zeros(3), where=jnp.ones(2, bool))

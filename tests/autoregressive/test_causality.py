"""assert_causal passes what is causal, names what leaks, and orders are causal in their own sequence."""

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.autoregressive import assert_causal, log_prob, reordered, sample

from .models import all_sequences, made, random_table, transformer

X = jnp.array([1, 0, 2, 1, 0])


def broken(i, j):
    """A causal network but for one entry: row i also sees x_j."""
    table = jnp.asarray(np.random.default_rng(1).normal(size=(5, 3)), jnp.float32)

    @jax.jit
    def logits_fn(x):
        before = (jnp.cumsum(x) - x).astype(table.dtype)
        return (table * (1 + before)[:, None]).at[i].add(1e-3 * x[j].astype(table.dtype) * table[i])

    return logits_fn


@pytest.mark.slow
def test_causal_networks_pass():
    params, apply, _, _ = transformer()
    for logits_fn in (
        lambda x: apply(params, x),
        made(5, (8, 8), 3, direct=True),
        broken(4, 0),
        lambda x: jnp.zeros((5, 3)),
    ):
        assert_causal(logits_fn, X)
    assert_causal(random_table().logits_fn, jnp.array([1, 2, 0]))


@hypothesis.settings(max_examples=10)
@hypothesis.given(st.integers(0, 4), st.integers(0, 4))
def test_the_leaking_pair_is_named(i, j):
    i, j = sorted((i, j))
    message = rf"row {i} of the logits depends on x\[{j}\].*before x\[{i}\]; 1 such pairs in all"
    with pytest.raises(ValueError, match=message):
        assert_causal(broken(i, j), X)


def test_a_forgotten_shift_is_found():
    params, apply, _, _ = transformer()
    unshifted = lambda x: jnp.roll(apply(params, x), -1, axis=0)
    with pytest.raises(ValueError, match=r"row 0 of the logits depends on x\[0\]"):
        assert_causal(unshifted, X)


def test_bytes_at_the_last_level_are_moved_too():
    leak = lambda x: jnp.zeros((2, 256)).at[0].set((x[1] == 0).astype(jnp.float32))
    with pytest.raises(ValueError, match=r"row 0 of the logits depends on x\[1\]"):
        assert_causal(leak, jnp.array([3, 255], jnp.uint8))


def test_logits_that_are_not_numbers_are_refused_first():
    with pytest.raises(ValueError, match="logits must not be NaN"):
        assert_causal(lambda x: jnp.full((5, 3), jnp.nan), X)


def test_an_order_is_causal_in_its_own_sequence():
    order = (3, 0, 4, 1, 2)
    net = made(5, (16,), 3, order=order, scale=2.0)
    with pytest.raises(ValueError, match="row 0 of the logits depends on"):
        assert_causal(net, X)
    in_order = reordered(net, order)
    assert_causal(in_order, X[jnp.array(order)])
    x = all_sequences(5, 3)[::17]
    np.testing.assert_allclose(
        jax.jit(jax.vmap(lambda x: log_prob(in_order, x[jnp.array(order)])))(x),
        jax.jit(jax.vmap(lambda x: log_prob(net, x)))(x),
        rtol=1e-5,
    )


def test_samples_in_an_order_have_the_models_frequencies():
    order, n = (2, 0, 1), 20_000
    net = made(3, (8,), 2, order=order, scale=3.0)
    keys = jax.random.split(jax.random.key(0), n)
    y = jax.jit(jax.vmap(lambda key: sample(key, reordered(net, order), 3)))(keys)
    x = np.asarray(y)[:, np.argsort(order)]
    counts = np.bincount(x @ [4, 2, 1], minlength=8)
    p = np.exp(jax.jit(jax.vmap(lambda x: log_prob(net, x)))(all_sequences(3, 2)))
    assert (np.abs(counts / n - p) < 4 * np.sqrt(p * (1 - p) / n)).all()


def test_an_order_that_is_no_permutation_is_refused():
    with pytest.raises(ValueError, match=r"permutation of 0..n-1; got \(0, 2\)"):
        reordered(lambda x: jnp.zeros((2, 2)), (0, 2))

"""Masks: what every output of a MADE can see, for orders, connectivities and depths."""

from functools import partial

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.autoregressive import made_masks, random_degrees, sequential_degrees
from genjax.nn import MADE, functional

from .models import made

SEQUENTIAL = sequential_degrees
RANDOM = partial(random_degrees, jax.random.key(3))


def paths(masks):
    """The number of paths from each input to each output."""
    return np.linalg.multi_dot([m.astype(int) for m in masks]) if len(masks) > 1 else masks[0].astype(int)


def comes_before(order):
    """[j, i]: whether input j comes before input i."""
    place = np.argsort(order)
    return place[:, None] < place[None]


def sees(logits_fn, x, num_levels):
    """[j, i]: whether moving x_j to some other level changes row i of the logits."""
    n = len(x)
    moved = (np.asarray(x) + np.arange(num_levels)[:, None, None] * np.eye(n, dtype=int)) % num_levels
    rows = jax.jit(lambda x: jax.lax.map(logits_fn, x))(jnp.asarray(moved.reshape(-1, n), int))
    rows = np.asarray(rows).reshape(num_levels, n, n, num_levels)
    return (rows != rows[:1]).any(axis=(0, 3))


networks = st.integers(1, 7).flatmap(
    lambda n: st.tuples(
        st.just(n), st.permutations(range(n)), st.lists(st.integers(1, 9), max_size=3), st.integers(0, 99)
    )
)


@hypothesis.given(networks)
def test_every_path_leads_from_an_earlier_input(network):
    n, order, hidden, seed = network
    for degrees in (
        sequential_degrees(n, hidden),
        random_degrees(jax.random.key(seed), n, hidden),
    ):
        masks = made_masks(n, degrees, order=order)
        assert [m.shape for m in masks] == list(zip([n, *hidden], [*hidden, n], strict=True))
        assert all(m.dtype == bool for m in masks)
        assert not (paths(masks) > 0)[~comes_before(order)].any()


@hypothesis.given(networks)
def test_enough_sequential_units_connect_every_earlier_input(network):
    n, order, hidden, _ = network
    wide = [width + max(n - 1, 1) for width in hidden]
    masks = made_masks(n, sequential_degrees(n, wide), order=order)
    np.testing.assert_array_equal(paths(masks) > 0, comes_before(order))


@hypothesis.given(networks)
def test_no_random_unit_is_cut_off(network):
    """Each layer's degrees start at the least of the layer before, so that every unit has a connection in and out."""
    n, order, hidden, seed = network
    hypothesis.assume(n > 1)
    *into_hidden, last = made_masks(n, random_degrees(jax.random.key(seed), n, hidden), order=order)
    assert all(m.any(axis=0).all() for m in into_hidden)
    assert not into_hidden or last.any(axis=1).all()


def test_sequential_degrees_serve_all_conditionals_alike():
    (degrees,) = sequential_degrees(784, (500,))
    assert (min(degrees), max(degrees)) == (1, 782)
    assert np.bincount(degrees).max() == 1
    (degrees,) = sequential_degrees(5, (12,))
    np.testing.assert_array_equal(np.bincount(degrees)[1:], 3)


def test_random_degrees_are_uniform_from_the_least_of_the_layer_before():
    first, second = random_degrees(jax.random.key(0), 5, (3, 8000))
    expected = 8000 / (5 - min(first))
    counts = np.bincount(second, minlength=5)[min(first) :]
    assert min(second) == min(first)
    assert (np.abs(counts - expected) < 4 * np.sqrt(expected)).all()
    assert random_degrees(jax.random.key(0), 5, (3, 8000)) == (first, second)


@pytest.mark.parametrize("num_levels", [2, 3])
@pytest.mark.parametrize("direct", [False, True])
@pytest.mark.parametrize("degrees", [SEQUENTIAL, RANDOM])
@pytest.mark.parametrize("hidden", [(), (24,), (24, 24)])
def test_a_network_sees_what_its_masks_say(hidden, degrees, direct, num_levels):
    order = (2, 0, 4, 1, 3)
    net = made(5, hidden, num_levels, scale=2.0, order=order, degrees=degrees, direct=direct)
    expected = comes_before(order)
    if not direct:
        expected &= paths(made_masks(5, degrees(5, hidden), order=order)) > 0
    actual = sees(net, jnp.array([0, 1, 1, 0, 1]), num_levels)
    np.testing.assert_array_equal(actual, expected)
    if direct or degrees is SEQUENTIAL:
        np.testing.assert_array_equal(expected, comes_before(order))


def test_masked_weights_are_no_parameters():
    """Their gradient is zero, and their values do not matter."""
    init, apply = functional(lambda rngs: MADE(4, (6,), 2, direct=True, rngs=rngs))
    params, x = jax.jit(init)(jax.random.key(0)), jnp.array([1, 0, 1, 1])
    first, last = made_masks(4, sequential_degrees(4, (6,)))
    (direct,) = made_masks(4, ())
    apply = jax.jit(apply)
    gradient = jax.jit(jax.grad(lambda p: jnp.sum(apply(p, x) ** 2)))(params)
    gradient = jax.tree.map(np.asarray, gradient)
    for layer, mask in (
        (gradient["layers"][0], first),
        (gradient["layers"][1], last),
        (gradient["direct"], direct),
    ):
        assert (layer["kernel"][~mask] == 0).all()
        assert (layer["kernel"][mask] != 0).any()
    spoilt = jax.tree.map(jnp.copy, params)
    spoilt["layers"][0]["kernel"] = jnp.where(first, params["layers"][0]["kernel"], jnp.nan)
    np.testing.assert_array_equal(apply(spoilt, x), apply(params, x))


def test_faults_of_structure_are_named():
    with pytest.raises(ValueError, match=r"order must be a permutation of 0..2; got \(0, 1, 1\)"):
        made_masks(3, [], order=(0, 1, 1))
    with pytest.raises(ValueError, match=r"degrees must lie in 1..2; got \(\(1, 3\),\)"):
        made_masks(3, [(1, 3)])
    with pytest.raises(ValueError, match="hidden must be at least 1; got 0"):
        sequential_degrees(3, (0,))
    with pytest.raises(ValueError, match="num_inputs must be at least 1; got 0"):
        made_masks(0, ())

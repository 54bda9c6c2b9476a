"""Moments in parts: any cut, any order, fewer samples than dimensions, and on several devices."""

import subprocess
import sys
import textwrap
from functools import reduce

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax import metrics

X = np.random.default_rng(0).normal(size=(60, 5)) * [1, 0.1, 3, 1, 1] + [0, 5, -1, 100, 0]
Y = np.random.default_rng(1).normal([0, 5, 0, 100, 0], size=(50, 5))


def joined(parts):
    return reduce(metrics.combine_moments, [metrics.moments(jnp.asarray(p, jnp.float32)) for p in parts])


def assert_moments(found, x):
    assert found.num == len(x)
    np.testing.assert_allclose(found.mean, x.mean(0), rtol=1e-5, atol=1e-5)
    scatter = np.asarray(found.factor, float).T @ np.asarray(found.factor, float)
    centred = x - x.mean(0)
    np.testing.assert_allclose(scatter, centred.T @ centred, rtol=2e-4, atol=2e-4 * len(x))


@pytest.mark.parametrize("cuts", [[], [30], [1, 2, 3], [10, 11, 50], list(range(5, 60, 5))])
def test_parts_of_any_size_are_the_whole_in_any_order(cuts):
    parts = np.split(X, cuts)
    assert_moments(joined(parts), X)
    assert_moments(joined(parts[::-1]), X)


def test_the_frechet_distance_of_moments_is_that_of_the_samples():
    value = metrics.frechet_from_moments(joined(np.split(X, [7, 20])), joined(np.split(Y, [3])))
    whole = metrics.frechet_distance(jnp.float32(X), jnp.float32(Y))
    np.testing.assert_allclose(value, whole, rtol=1e-4)
    few = metrics.frechet_from_moments(joined([X[:2], X[2:3]]), joined([Y[:2]]))
    np.testing.assert_allclose(
        few, metrics.frechet_distance(jnp.float32(X[:3]), jnp.float32(Y[:2])), rtol=1e-4
    )
    assert 0 <= metrics.frechet_from_moments(joined([X]), joined([X])) < 1e-9
    assert np.isnan(
        metrics.frechet_from_moments(joined([X[:1]]), joined([Y]))
    )  # one sample has no covariance


def test_a_scan_over_batches_is_the_whole():
    batches = jnp.asarray(X, jnp.float32).reshape(6, 10, 5)
    step = lambda total, batch: (metrics.combine_moments(total, metrics.moments(batch)), None)
    total, _ = jax.jit(lambda b: jax.lax.scan(step, metrics.moments(b[0]), b[1:]))(batches)
    assert_moments(total, X)


@pytest.mark.slow
def test_devices_take_a_part_each():
    code = """
        import os
        os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=4"
        from functools import reduce
        import jax, jax.numpy as jnp
        from jax.sharding import NamedSharding, PartitionSpec
        from genjax import metrics
        mesh = jax.make_mesh((4,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
        x = jax.random.normal(jax.random.key(0), (4, 25, 3))
        sharded = jax.device_put(x, NamedSharding(mesh, PartitionSpec("data")))
        parts = jax.jit(jax.vmap(metrics.moments))(sharded)
        assert len(parts.mean.sharding.device_set) == 4
        total = reduce(metrics.combine_moments, [jax.tree.map(lambda a: a[i], parts) for i in range(4)])
        whole = metrics.moments(x.reshape(100, 3))
        scatter = lambda m: m.factor.T @ m.factor
        print(bool(jnp.allclose(scatter(total), scatter(whole), rtol=1e-4, atol=1e-3)), total.num)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True)
    assert done.stdout.split() == ["True", "100.0"], done.stderr

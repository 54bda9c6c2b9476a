"""The standard error by subsampling against the spread over fresh samples."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax import metrics

SIZE = 40


@pytest.mark.parametrize(
    ("name", "shift"),
    [
        ("kernel_distance", 0.0),
        pytest.param("frechet_distance", 1.0, marks=pytest.mark.slow),
        pytest.param("kernel_distance", 1.0, marks=pytest.mark.slow),
    ],
)
def test_it_is_the_spread_over_fresh_samples_of_the_size_of_a_subset(name, shift):
    metric = getattr(metrics, name)
    draw = lambda key, n: jax.random.normal(key, (2, n, 2)) + jnp.array([[[0.0, 0.0]], [[shift, 0.0]]])
    fresh = jax.jit(jax.vmap(lambda key: metric(*draw(key, SIZE))))(jax.random.split(jax.random.key(0), 600))
    a, b = draw(jax.random.key(1), 4000)
    error = jax.jit(partial(metrics.standard_error, metric=metric, subset_size=SIZE, num_subsets=600))
    # Either deviation is known to about 1/√(2·600) of itself, more where the tails are heavy.
    np.testing.assert_allclose(error(jax.random.key(2), a=a, b=b), fresh.std(ddof=1), rtol=0.2)


def test_subsets_are_drawn_without_replacement_and_all_rows_leave_no_spread():
    x = jnp.arange(6.0)[:, None]
    whole = lambda a, b: jnp.sum(a) + jnp.sum(b)
    error = partial(metrics.standard_error, jax.random.key(0), whole, x, x, num_subsets=5)
    np.testing.assert_allclose(error(subset_size=6), 0, atol=1e-5)
    assert error(subset_size=3) > 0.5
    with pytest.raises(ValueError, match="subset_size at most the rows"):
        error(subset_size=7)

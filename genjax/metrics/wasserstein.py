"""Distances by transport: exact between two equal numbers of samples, and along lines."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from genjax._assignment import optimal_assignment
from genjax._checks import check_count, check_full_precision, check_key
from genjax._matmul import matmul
from genjax.metrics._samples import check_samples, root

__all__ = ["sliced_wasserstein", "wasserstein"]


def sliced_wasserstein(
    key: PRNGKeyArray, a: Float[Array, "n d"], b: Float[Array, "m d"], *, num_projections: int = 128
) -> Float[Array, ""]:
    """The 2-Wasserstein distance of two sets along random lines.

    SW² = mean over directions u of W₂²({u·a_i}, {u·b_j}), and SW its root; on a line W₂² = ∫ (F_a⁻¹ − F_b⁻¹)²

    Exact on every line, for sets of different sizes too. The gradient at equal sets, where the root has none, is
    zero.

    Args:
        key: of the directions, uniform on the sphere.
        a: `[n, d]`.
        b: `[m, d]`.
        num_projections: directions.

    Returns:
        The distance, in units of the data.

    Raises:
        TypeError: `key` is not a typed key, a set is not floating point or narrower than float32, or the count is no
            integer.
        ValueError: shapes do not fit, no rows, a NaN, or the count is below 1.

    Source: Bonneel et al. (2015), definition 3, for p = 2.

    >>> a = jnp.array([[0.0], [0.0]])
    >>> print(f"{sliced_wasserstein(jax.random.key(0), a, jnp.array([[3.0], [5.0]])):.4f}")
    4.1231
    """
    check_key(key)
    check_count(num_projections=num_projections)
    check_full_precision(a=a, b=b)
    check_samples(1, a=a, b=b)
    normal = jax.random.normal(key, (int(num_projections), a.shape[1]), a.dtype)
    directions = normal / jnp.linalg.norm(normal, axis=1, keepdims=True)
    of_a, of_b, weights = _coupled(len(a), len(b))
    weights = jnp.asarray(weights, a.dtype)

    def squared(direction: Array) -> Array:
        on_line = lambda x: jnp.sort(matmul(x, direction))
        return jnp.sum(weights * (on_line(a)[of_a] - on_line(b)[of_b]) ** 2)

    return root(jnp.mean(jax.lax.map(jax.checkpoint(squared), directions)))


def wasserstein(
    a: Float[Array, "n d"],
    b: Float[Array, "n d"],
    *,
    assign: Callable[[Float[Array, "n n"]], Array] = optimal_assignment,
) -> Float[Array, ""]:
    """The 2-Wasserstein distance of two sets of equally many samples.

    W₂² = min over permutations p of 1/n Σ_i ‖a_i − b_{p(i)}‖², and W₂ its root

    Exact for the sets, and for their laws biased upwards by an amount that falls slowly with n in many dimensions.
    The cost takes `[n, n]` memory, the default solver about n³ operations on the host. The gradient holds the
    permutation fixed, which is the true one wherever it has one; at equal sets it is zero.

    Args:
        a: `[n, d]`.
        b: `[n, d]`.
        assign: `assign(cost [n, n]) -> p [n]`, the permutation; any solver of the assignment problem.

    Returns:
        The distance, in units of the data.

    Raises:
        TypeError: a set is not floating point, or narrower than float32.
        ValueError: shapes differ, no rows, or a NaN.

    Source: Peyré and Cuturi (2019), proposition 2.1.

    >>> a = jnp.array([[0.0], [1.0]])
    >>> print(wasserstein(a, jnp.array([[3.0], [2.0]])))
    2.0
    """
    check_full_precision(a=a, b=b)
    check_samples(1, a=a, b=b)
    if len(a) != len(b):
        raise ValueError(f"sets must be equally large; got a {a.shape}, b {b.shape}")
    cost = jax.lax.map(lambda x: jnp.sum((x[None] - b) ** 2, axis=1), jax.lax.stop_gradient(a))
    return root(jnp.mean(jnp.sum((a - b[assign(cost)]) ** 2, axis=1)))


def _coupled(n: int, m: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which sorted values of n and of m meet, and over what share: the steps of both quantile functions."""
    ends = np.union1d(np.arange(1, n + 1) * m, np.arange(1, m + 1) * n)  # in units of 1/(n m), so exact
    begins = np.concatenate([[0], ends[:-1]])
    return begins // m, begins // n, (ends - begins) / (n * m)

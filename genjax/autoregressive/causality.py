"""Whether a network is autoregressive, and sequences in other orders."""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Integer

from genjax._checks import check_not_nan, check_values
from genjax.autoregressive.likelihood import LogitsFn, log_prob

__all__ = ["assert_causal", "reordered"]


def assert_causal(logits_fn: LogitsFn, x: Integer[Array, " n"]) -> None:
    """Raise unless row i of the logits sees only `x[:i]`, naming the first pair that leaks.

    Each x_j is moved to the next level, cyclically, and no row i ≤ j may change by a single bit. A leak that both
    levels hide is not found: try several x. The cost is n + 1 calls of the network, one after the other, because the
    rows of one batch may differ by round-off.

    Args:
        logits_fn: `logits_fn(x) -> ℓ`, of shape `[n, K]`.
        x: integers in 0..K−1, of shape `[n]`, concrete.

    Returns:
        Nothing.

    Raises:
        TypeError: `x` is not integer.
        ValueError: row i of the logits depends on x_j for some j ≥ i; or a fault that `log_prob` refuses.

    >>> sees_itself = lambda x: jnp.stack([jnp.cumsum(x.astype(float)), jnp.zeros(3)], axis=1)
    >>> assert_causal(sees_itself, jnp.array([1, 0, 1]))
    Traceback (most recent call last):
        ...
    ValueError: logits_fn is not causal: row 0 of the logits depends on x[0]...
    """
    jax.eval_shape(partial(log_prob, logits_fn), x)  # raises on faults of shape and dtype
    n, num_levels = jax.eval_shape(logits_fn, x).shape
    check_values("x", x, (x.astype(int) >= 0) & (x.astype(int) < num_levels), f"lie in 0..{num_levels - 1}")

    run = jax.jit(logits_fn)  # one program for all calls: a loop's first turn may be compiled otherwise
    levels = np.asarray(x)
    unmoved = np.asarray(run(x))
    check_not_nan(logits=unmoved)
    changed = np.zeros((n, n), bool)  # [i, j]: whether moving x_j changed row i
    for j in range(n):
        moved = levels.copy()
        moved[j] = (int(levels[j]) + 1) % num_levels
        changed[:, j] = (np.asarray(run(jnp.asarray(moved))) != unmoved).any(axis=-1)
    leaks = np.triu(changed)  # j ≥ i
    if leaks.any():
        i, j = np.argwhere(leaks)[0]
        raise ValueError(
            f"logits_fn is not causal: row {i} of the logits depends on x[{j}], and may see only "
            f"what comes before x[{i}]; {leaks.sum()} such pairs in all"
        )


def reordered(logits_fn: LogitsFn, order: Sequence[int]) -> LogitsFn:
    """View a model that is autoregressive in an order as a `logits_fn` of the sequence in that order.

    g(y) = ℓ(x) rearranged, where y_t = x_{order[t]}

    All of this module then applies: `y = sample(key, reordered(logits_fn, order), n)` is drawn in the order, and
    `y[jnp.argsort(order)]` puts it back.

    Args:
        logits_fn: `logits_fn(x) -> ℓ`, of shape `[n, K]`; row `order[t]` sees only x at `order[:t]`.
        order: a permutation of 0..n−1.

    Returns:
        `g(y) -> [n, K]`, whose row t sees only `y[:t]`.

    Raises:
        ValueError: `order` is no permutation.

    >>> backwards = lambda x: jnp.stack([jnp.append(x[1:], 0).astype(float), jnp.zeros(3)], axis=1)
    >>> assert_causal(reordered(backwards, (2, 1, 0)), jnp.array([1, 0, 1]))
    """
    places = np.asarray(order)
    if places.ndim != 1 or sorted(places.tolist()) != list(range(len(places))):
        raise ValueError(f"order must be a permutation of 0..n-1; got {tuple(order)}")
    back = np.argsort(places)

    def in_order(y: Integer[Array, " n"]) -> Float[Array, "n k"]:
        return logits_fn(y[back])[places]

    return in_order

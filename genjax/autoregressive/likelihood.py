"""The chain rule: exact log-likelihood of a sequence of levels."""

import math
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Integer

from genjax._checks import check_integer
from genjax.densities import categorical_log_prob

__all__ = ["ensemble_log_prob", "log_prob", "negative_log_likelihood"]

LogitsFn = Callable[[Array], Array]


def log_prob(logits_fn: LogitsFn, x: Integer[Array, " n"]) -> Float[Array, ""]:
    """Log-probability of a sequence as the product of its conditionals.

    log p(x) = Σ_i log p(x_i | x_1, …, x_{i−1}), p(x_i = k | x_{<i}) = softmax(ℓ_i(x_{<i}))_k

    The sum is a likelihood only if row i of the logits does not depend on x_i or on what follows: `assert_causal`.

    Args:
        logits_fn: `logits_fn(x) -> ℓ`, of shape `[n, K]`; row i sees only `x[:i]`.
        x: integers in 0..K−1, of shape `[n]`.

    Returns:
        Nats, summed over the sequence, exact.

    Raises:
        TypeError: `x` is not integer or the logits are not floating point.
        ValueError: `x` is no vector or empty, the logits are not `[n, K]`, a NaN, or a level outside 0..K−1 (NaN
            under `jit`).

    Source: Bengio and Bengio (2000); Germain et al. (2015), equation 4.

    >>> logits_fn = lambda x: jnp.stack([jnp.zeros(3), jnp.log(jnp.array([4.0, 1.0, 3.0]))], axis=1)
    >>> print(f"{log_prob(logits_fn, jnp.array([1, 1, 0])):.4f}")        # log(.8 × .5 × .25)
    -2.3026
    """
    check_sequence(x)
    if x.shape[0] == 0:
        raise ValueError(f"x must hold at least one level; got shape {x.shape}")
    return categorical_log_prob(x, logits_fn(x))


def negative_log_likelihood(logits_fn: LogitsFn, x: Integer[Array, " n"]) -> Float[Array, ""]:
    """The loss of an autoregressive model: cross-entropy of one sequence, a cost in nats.

    loss = −log p(x) = −Σ_i log p(x_i | x_1, …, x_{i−1})

    Args:
        logits_fn: `logits_fn(x) -> ℓ`, of shape `[n, K]`; row i sees only `x[:i]`.
        x: integers in 0..K−1, of shape `[n]`.

    Returns:
        Nats, summed over the sequence (`genjax.bits_per_dim(nll, n, num_levels=1)` for bits per dimension).

    Raises:
        TypeError: `x` is not integer or the logits are not floating point.
        ValueError: as `log_prob`.

    Source: Germain et al. (2015), section 3.

    >>> print(f"{negative_log_likelihood(lambda x: jnp.zeros((3, 2)), jnp.array([1, 1, 0])):.4f}")
    2.0794
    """
    return -log_prob(logits_fn, x)


def ensemble_log_prob(logits_fns: Sequence[LogitsFn], x: Integer[Array, " n"]) -> Float[Array, ""]:
    """Log-probability under an ensemble: the average of the members' probabilities of the whole sequence.

    log p(x) = log 1/M Σ_m p_m(x)

    Members may follow different orders. Averaging their logits, or their conditionals at each position, is no
    likelihood then: the terms condition on different sets.

    Args:
        logits_fns: the M members, each `logits_fn(x) -> [n, K]`.
        x: integers in 0..K−1, of shape `[n]`.

    Returns:
        Nats. It is at least the average of the members' log-probabilities.

    Raises:
        TypeError: `x` is not integer or logits are not floating point.
        ValueError: there is no member, or as `log_prob`.

    Source: Uria et al. (2014); Germain et al. (2015), section 4.3.

    >>> members = [lambda x: jnp.zeros((2, 2)), lambda x: jnp.array([[0.0, jnp.log(3.0)]] * 2)]
    >>> print(f"{jnp.exp(ensemble_log_prob(members, jnp.array([1, 1]))):.5f}")     # (1/4 + 9/16) / 2
    0.40625
    """
    if not logits_fns:
        raise ValueError("an ensemble needs at least one member; got none")
    members = jnp.stack([log_prob(logits_fn, x) for logits_fn in logits_fns])
    return jax.nn.logsumexp(members) - math.log(len(logits_fns))


def check_sequence(x: Array) -> None:
    """Raise unless `x` is one flat sequence of integer levels."""
    check_integer(x=x)
    if jnp.ndim(x) != 1:
        raise ValueError(
            f"x must be one flat sequence, of shape (n,); got shape {jnp.shape(x)}. "
            f"Flatten an image with jnp.ravel and map a batch with jax.vmap"
        )

"""Batch normalization between the layers of a flow: the one layer of the library that couples examples.

While training, `batch_inverse(flow, x_batch)` normalises by the statistics of the batch, and gradients flow through
them; the log-determinants are those of the map with these statistics held. Afterwards `with_statistics(flow,
x_train)` puts in those of the whole training set, and the result is an ordinary bijector of one event:

    def loss(flow, x_batch):                                         # of a BATCH
        z, log_dets = batch_inverse(flow, x_batch)
        return -jnp.mean(jax.vmap(standard_normal_log_prob)(z) + log_dets)
    log_prob(with_statistics(trained, x_train), x)
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from genjax._checks import check_float, check_not_nan, check_values
from genjax.flow import ActNorm, Bijector, Chain

__all__ = ["FlowBatchNorm", "batch_inverse", "identity_batch_norm", "with_statistics"]


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class FlowBatchNorm:
    """Batch normalization of each channel, a layer that COUPLES EXAMPLES and so is no bijector of one event.

    z = shift + exp(log_scale) ⊙ (x − m) / s, with m and s the mean and the standard deviation of what reaches the
    layer from the data, over the batch and the pixels; log |det dz/dx| = (number of pixels) · Σ (log_scale − log s)

    There is no ε beside s²: a channel without variance is refused. The layer stands in a `Chain`, of which
    `batch_inverse` and `with_statistics` make use; by itself it refuses to move an event.

    Args:
        shift: β, of the length of the last axis.
        log_scale: γ, of the length of the last axis.

    Source: Papamakarios et al. (2017), section 3.2 and appendix B; after Dinh et al. (2017), section 3.7.

    >>> layer = identity_batch_norm(1)
    >>> print(batch_inverse(layer, jnp.array([[1.0], [5.0]]))[0])
    [[-1.]
     [ 1.]]
    """

    shift: Array
    log_scale: Array

    def forward(self, z: Array) -> tuple[Array, Array]:
        """Refuse: statistics are missing."""
        raise ValueError(_MISSING)

    def inverse(self, x: Array) -> tuple[Array, Array]:
        """Refuse: statistics are missing."""
        raise ValueError(_MISSING)


_MISSING = (
    "FlowBatchNorm normalises by the statistics of a batch, and one event has none: train with "
    "batch_inverse(flow, x_batch), and freeze with_statistics(flow, x_train) before anything else"
)


def identity_batch_norm(num_dims: int) -> FlowBatchNorm:
    """A `FlowBatchNorm` that whitens and does nothing more until training moves it.

    Args:
        num_dims: the length of the last axis.

    Returns:
        The layer, of zero shift and log-scale.

    >>> identity_batch_norm(2).shift.shape
    (2,)
    """
    return FlowBatchNorm(jnp.zeros(num_dims), jnp.zeros(num_dims))


def batch_inverse(
    bijector: Bijector, x_batch: Float[Array, "n *event"]
) -> tuple[Float[Array, "n *event"], Float[Array, " n"]]:
    """Map a BATCH from data to noise, each `FlowBatchNorm` normalising by the batch that reaches it.

    z_i = f⁻¹(x_i; m, s), log |det dz_i/dx_i| with m and s held; gradients flow through m and s

    Args:
        bijector: a flow, with `FlowBatchNorm`s in its `Chain`s.
        x_batch: data, `[n, *event]`, n at least 2.

    Returns:
        The noise, of the shape of `x_batch`, and the log-determinants `[n]`.

    Raises:
        TypeError: `x_batch` is not floating point.
        ValueError: `x_batch` has fewer than two rows, a NaN, or a channel that is constant (NaN under `jit`); or a
            `FlowBatchNorm` stands where only one event comes, such as inside `Split`.

    Source: Papamakarios et al. (2017), section 3.2.

    >>> z, log_dets = batch_inverse(identity_batch_norm(1), jnp.array([[1.0], [5.0]]))
    >>> print(f"{log_dets[0]:.4f}")
    -0.6931
    """
    _check_batch(x_batch)
    return _walk(bijector, x_batch)[1:]


def with_statistics(bijector: Bijector, x_batch: Float[Array, "n *event"]) -> Bijector:
    """Freeze the statistics of a data set: every `FlowBatchNorm` becomes the `ActNorm` that it is on these data.

    shift = m − β s exp(−γ), log_scale = log s − γ, from noise to data

    Args:
        bijector: a flow, with `FlowBatchNorm`s in its `Chain`s.
        x_batch: the whole training set, `[n, *event]`.

    Returns:
        A bijector of one event; on these data its `inverse` is `batch_inverse`.

    Raises:
        TypeError: `x_batch` is not floating point.
        ValueError: as `batch_inverse`.

    Source: Papamakarios et al. (2017), section 4.2: statistics of the whole training set at test time.

    >>> frozen = with_statistics(identity_batch_norm(1), jnp.array([[1.0], [5.0]]))
    >>> print(frozen.forward(jnp.zeros(1))[0])
    [3.]
    """
    _check_batch(x_batch)
    return _walk(bijector, x_batch)[0]


def _walk(bijector: Bijector, batch: Array) -> tuple[Bijector, Array, Array]:
    """The bijector with the statistics of the batch, the batch on its noise side, and the log-determinants."""
    if isinstance(bijector, Chain):
        parts = list(bijector.bijectors)
        total = jnp.zeros(batch.shape[0], batch.dtype)
        for i in reversed(range(len(parts))):
            parts[i], batch, log_dets = _walk(parts[i], batch)
            total = total + log_dets
        return Chain(tuple(parts)), batch, total
    if isinstance(bijector, FlowBatchNorm):
        bijector = _frozen(bijector, batch)
    z, log_dets = jax.vmap(bijector.inverse)(batch)
    return bijector, z, log_dets


def _frozen(layer: FlowBatchNorm, batch: Array) -> ActNorm:
    axes = tuple(range(batch.ndim - 1))
    mean, std = jnp.mean(batch, axis=axes), jnp.std(batch, axis=axes)
    check_values("the standard deviation of each channel at a FlowBatchNorm", std, std > 0, "be positive")
    log_scale = jnp.log(jnp.where(std > 0, std, jnp.nan)) - layer.log_scale
    return ActNorm(shift=mean - layer.shift * jnp.exp(log_scale), log_scale=log_scale)


def _check_batch(x_batch: Array) -> None:
    check_float(x_batch=x_batch)
    if jnp.ndim(x_batch) == 0 or x_batch.shape[0] < 2:
        raise ValueError(f"x_batch must be [n, *event] with n at least 2; got shape {jnp.shape(x_batch)}")
    check_not_nan(x_batch=x_batch)

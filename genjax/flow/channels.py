"""Bijectors of the last axis: the coordinates of a vector, or the channels of an image at every pixel."""

import math
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from genjax._checks import check_float, check_full_precision, check_same_shape
from genjax._matmul import matmul
from genjax.flow.elementwise import Affine

__all__ = ["ActNorm", "InvertibleLinear", "Permutation", "Squeeze", "invertible_linear"]


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Permutation:
    """A fixed reordering of the last axis.

    x_i = z_{π(i)}, log |det| = 0

    Args:
        permutation: π as a tuple of integers, static; `(d − 1, …, 0)` reverses.

    >>> print(Permutation((2, 0, 1)).forward(jnp.array([10.0, 20.0, 30.0]))[0])
    [30. 10. 20.]
    """

    permutation: tuple[int, ...] = field(metadata={"static": True})

    def forward(self, z: Float[Array, "*event"]) -> tuple[Float[Array, "*event"], Float[Array, ""]]:
        """Noise to data."""
        return z[..., _check_permutation(self.permutation, z)], jnp.zeros((), z.dtype)

    def inverse(self, x: Float[Array, "*event"]) -> tuple[Float[Array, "*event"], Float[Array, ""]]:
        """Data to noise."""
        return x[..., np.argsort(_check_permutation(self.permutation, x))], jnp.zeros((), x.dtype)


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class ActNorm:
    """Shift and scale of each channel, the same at every pixel.

    x = shift + exp(log_scale) ⊙ z, log |det dx/dz| = (number of pixels) · Σ log_scale

    `fit_actnorm` sets it from data, once, before training. On a vector it is `Affine` under another name.

    Args:
        shift: of the length of the last axis.
        log_scale: of the length of the last axis.

    Source: Kingma and Dhariwal (2018), section 3.1.

    >>> layer = ActNorm(shift=jnp.zeros(3), log_scale=jnp.full(3, 0.1))
    >>> print(f"{layer.forward(jnp.ones((4, 4, 3)))[1]:.4f}")
    4.8000
    """

    shift: Array
    log_scale: Array

    def forward(self, z: Float[Array, "*event"]) -> tuple[Float[Array, "*event"], Float[Array, ""]]:
        """Noise to data."""
        return self._on(z).forward(z)

    def inverse(self, x: Float[Array, "*event"]) -> tuple[Float[Array, "*event"], Float[Array, ""]]:
        """Data to noise."""
        return self._on(x).inverse(x)

    def _on(self, event: Array) -> Affine:
        check_same_shape(shift=self.shift, log_scale=self.log_scale)
        if jnp.shape(self.shift) != jnp.shape(event)[-1:] or jnp.ndim(event) == 0:
            raise ValueError(
                f"shift must have the length of the event's last axis: "
                f"shift {jnp.shape(self.shift)}, event {jnp.shape(event)}"
            )
        return Affine(*(jnp.broadcast_to(leaf, event.shape) for leaf in (self.shift, self.log_scale)))


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class InvertibleLinear:
    """An invertible matrix on the last axis, in its PLU form; on an image, Glow's 1×1 convolution.

    x = W z at every pixel, W = P L (U + diag(sign ⊙ exp(log_diag)));
    log |det dx/dz| = (number of pixels) · Σ log_diag

    Build it with `invertible_linear(matrix)`. P and the signs stay as they are, so training never leaves the
    invertible matrices; the log-determinant costs d additions, not d³.

    Args:
        lower: `[d, d]`, of which the strict lower triangle is read; L has a unit diagonal.
        upper: `[d, d]`, of which the strict upper triangle is read.
        log_diag: `[d]`, the log of the absolute diagonal of the upper factor.
        sign: of that diagonal: a tuple of ±1, static.
        permutation: π of P, `(P v)_i = v_{π(i)}`, a static tuple.

    Source: Kingma and Dhariwal (2018), equation 10.

    >>> layer = invertible_linear(jnp.array([[0.0, 2.0], [1.0, 0.0]]))
    >>> x, log_det = layer.forward(jnp.array([3.0, 5.0]))
    >>> print(x, f"{log_det:.4f}")
    [10.  3.] 0.6931
    """

    lower: Array
    upper: Array
    log_diag: Array
    sign: tuple[int, ...] = field(metadata={"static": True})
    permutation: tuple[int, ...] = field(metadata={"static": True})

    def forward(self, z: Float[Array, "*event"]) -> tuple[Float[Array, "*event"], Float[Array, ""]]:
        """Noise to data."""
        lower, upper, permutation, log_det = self._factors(z)
        # In full precision on every device: the inverse has to undo this product to round-off.
        h = matmul(_columns(z), upper.T)
        h = matmul(h, lower.T)
        return jnp.reshape(h[:, permutation], z.shape), log_det

    def inverse(self, x: Float[Array, "*event"]) -> tuple[Float[Array, "*event"], Float[Array, ""]]:
        """Data to noise, by two triangular solves."""
        lower, upper, permutation, log_det = self._factors(x)
        h = _columns(x)[:, np.argsort(permutation)].T
        h = jax.scipy.linalg.solve_triangular(lower, h, lower=True, unit_diagonal=True)
        h = jax.scipy.linalg.solve_triangular(upper, h)
        return jnp.reshape(h.T, x.shape), -log_det

    def _factors(self, event: Array) -> tuple[Array, Array, np.ndarray, Array]:
        check_full_precision(event=event, lower=self.lower, upper=self.upper, log_diag=self.log_diag)
        check_same_shape(lower=self.lower, upper=self.upper)
        permutation = _check_permutation(self.permutation, event)
        d = len(permutation)
        if jnp.shape(self.lower) != (d, d) or jnp.shape(self.log_diag) != (d,) or len(self.sign) != d:
            raise ValueError(
                f"the factors must be of the length of the event's last axis, {d}: lower "
                f"{jnp.shape(self.lower)}, log_diag {jnp.shape(self.log_diag)}, {len(self.sign)} signs"
            )
        diagonal = jnp.asarray(self.sign, self.log_diag.dtype) * jnp.exp(self.log_diag)
        lower = jnp.tril(self.lower, -1) + jnp.eye(d, dtype=self.lower.dtype)
        upper = jnp.triu(self.upper, 1) + jnp.diag(diagonal)
        num_pixels = math.prod(event.shape[:-1])
        return lower, upper, permutation, num_pixels * jnp.sum(self.log_diag)


def invertible_linear(matrix: Float[Array, "d d"]) -> InvertibleLinear:
    """Factorise an invertible matrix; a random rotation is Glow's initialisation.

    W = P L U, by elimination with partial pivoting

    Args:
        matrix: W, `[d, d]` and concrete, because P and the signs are read off it (not inside `jit` or `vmap`).

    Returns:
        `InvertibleLinear`, whose forward map is x = W z.

    Raises:
        TypeError: `matrix` is traced, or not float32 or float64.
        ValueError: `matrix` is not square, or not invertible.

    Source: Kingma and Dhariwal (2018), section 3.2.

    >>> rotation, _ = jnp.linalg.qr(jax.random.normal(jax.random.key(0), (3, 3)))
    >>> print(f"{abs(invertible_linear(rotation).forward(jnp.ones(3))[1]):.4f}")
    0.0000
    """
    check_full_precision(matrix=matrix)
    if isinstance(matrix, Tracer):
        raise TypeError("matrix must be concrete: its permutation becomes a static field; got a traced array")
    if jnp.ndim(matrix) != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"matrix must be square; got shape {jnp.shape(matrix)}")
    p, lower, upper = jax.scipy.linalg.lu(matrix)
    diagonal = np.diag(upper)
    if not (np.isfinite(diagonal) & (diagonal != 0)).all():
        raise ValueError(f"matrix must be invertible; the diagonal of its upper factor is {diagonal}")
    return InvertibleLinear(
        lower=jnp.tril(lower, -1),
        upper=jnp.triu(upper, 1),
        log_diag=jnp.log(jnp.abs(diagonal)),
        sign=tuple(int(s) for s in np.sign(diagonal)),
        permutation=tuple(int(i) for i in np.argmax(np.asarray(p), axis=1)),
    )


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Squeeze:
    """Space to depth: each block of 2 × 2 pixels becomes one pixel of four times the channels.

    [H, W, C] → [H/2, W/2, 4C], log |det| = 0. A flow from noise to images ends with `Invert(Squeeze())`.

    Source: Dinh et al. (2017), section 3.6.

    >>> Squeeze().forward(jnp.zeros((4, 6, 3)))[0].shape
    (2, 3, 12)
    """

    def forward(self, z: Float[Array, "height width channels"]) -> tuple[Array, Float[Array, ""]]:
        """Space to depth."""
        check_float(z=z)
        shape = jnp.shape(z)
        if len(shape) != 3 or shape[0] % 2 or shape[1] % 2:
            raise ValueError(f"the event must be [H, W, C] with even H and W; got shape {shape}")
        height, width, channels = shape[0] // 2, shape[1] // 2, shape[2]
        blocks = jnp.reshape(z, (height, 2, width, 2, channels))
        x = jnp.reshape(jnp.transpose(blocks, (0, 2, 1, 3, 4)), (height, width, 4 * channels))
        return x, jnp.zeros((), z.dtype)

    def inverse(self, x: Float[Array, "height width channels"]) -> tuple[Array, Float[Array, ""]]:
        """Depth to space."""
        check_float(x=x)
        shape = jnp.shape(x)
        if len(shape) != 3 or shape[2] % 4:
            raise ValueError(f"the event must be [H, W, 4C]; got shape {shape}")
        height, width, channels = shape[0], shape[1], shape[2] // 4
        blocks = jnp.reshape(x, (height, width, 2, 2, channels))
        z = jnp.reshape(jnp.transpose(blocks, (0, 2, 1, 3, 4)), (2 * height, 2 * width, channels))
        return z, jnp.zeros((), x.dtype)


def _columns(event: Array) -> Float[Array, "pixels channels"]:
    return jnp.reshape(event, (-1, event.shape[-1]))


def _check_permutation(permutation: tuple[int, ...], event: Array) -> np.ndarray:
    check_float(event=event)
    length = jnp.shape(event)[-1] if jnp.ndim(event) else 0
    if sorted(permutation) != list(range(length)):
        raise ValueError(
            f"permutation must reorder 0..{length - 1}, the last axis of an event of shape {jnp.shape(event)}; "
            f"got {permutation}"
        )
    return np.asarray(permutation, int)

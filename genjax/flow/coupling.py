"""Flows whose parameters a network computes: coupling and masked autoregressive layers.

Both transform one coordinate at a time: `bijector(raw)` reads the p network outputs of a coordinate as a bijector of
that scalar, and `jax.vmap` runs over the coordinates. `genjax.flow.affine` and `RationalQuadraticSpline` are such
transformers, and so is any function of yours that returns a bijector of a scalar.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from genjax._checks import check_float
from genjax.flow.bijector import Bijector

__all__ = ["Coupling", "MaskedAutoregressive", "channel_mask", "checkerboard_mask"]

# A boolean array as nested tuples, because a static field is hashed.
Mask = Any


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Coupling:
    """Some coordinates pass and decide how the others move.

    x_i = z_i where the mask is true, x_i = f(z_i; θ_i) elsewhere, θ = conditioner(mask ⊙ z);
    log |det dx/dz| = Σ over the moved coordinates of log f′

    Args:
        conditioner: from the event, zero where the mask is false, to the p raw parameters of each coordinate: any
            shape that in row-major order reads as `[*event, p]`, such as the vector of a perceptron or the
            `[H, W, C p]` of a convolution. A `Bound`, so that its parameters are the flow's. Those of the passing
            coordinates are not used.
        bijector: `bijector(raw) -> bijector` of a scalar, from `raw` of shape `[p]`; static.
        mask: true where a coordinate passes: nested tuples of bool of the event's shape, static; see
            `checkerboard_mask` and `channel_mask`.
        moved_only: whether the conditioner returns the parameters of the moved coordinates alone, in row-major order;
            static. It saves what the passing ones would cost, half of the last layer of a perceptron.

    Raises:
        TypeError: the event or what the conditioner returns is not floating point, or the mask is not boolean.
        ValueError: mask and event differ in shape, the parameters cannot be dealt out evenly, or the bijector does
            not take a scalar to a scalar and a scalar log-determinant.

    Source: Dinh et al. (2017), sections 3.2 and 3.4; splines: Durkan et al. (2019), section 3.2.

    >>> from genjax import Bound
    >>> from genjax.flow import affine
    >>> shift_by_first = Bound(jnp.ones(()), lambda w, x: jnp.stack([w * x[0], 0.0, w * x[0], 0.0]))
    >>> layer = Coupling(shift_by_first, affine, mask=(True, False))
    >>> print(layer.forward(jnp.array([3.0, 1.0]))[0])
    [3. 4.]
    """

    conditioner: Callable[[Array], Array]
    bijector: Callable[[Array], Bijector] = field(metadata={"static": True})
    mask: Mask = field(metadata={"static": True})
    moved_only: bool = field(default=False, metadata={"static": True})

    def forward(self, z: Float[Array, "*event"]) -> tuple[Float[Array, "*event"], Float[Array, ""]]:
        """Noise to data."""
        return self._move(z, to_noise=False)

    def inverse(self, x: Float[Array, "*event"]) -> tuple[Float[Array, "*event"], Float[Array, ""]]:
        """Data to noise, at the same cost."""
        return self._move(x, to_noise=True)

    def _move(self, event: Array, *, to_noise: bool) -> tuple[Array, Array]:
        mask = _check_mask(self.mask, event)
        moved = np.flatnonzero(~mask)
        raw = self.conditioner(jnp.where(mask, event, 0.0))
        if self.moved_only:
            raw = _rows(raw, len(moved), "moved coordinate", event)
        else:
            raw = _rows(raw, event.size, "coordinate", event)[moved]
        flat = jnp.ravel(event)
        values, log_dets = jax.vmap(lambda r, v: _transform(self.bijector(r), v, to_noise=to_noise))(
            raw, flat[moved]
        )
        flat = flat.at[moved].set(values, indices_are_sorted=True, unique_indices=True)
        return jnp.reshape(flat, event.shape), jnp.sum(log_dets)


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class MaskedAutoregressive:
    """Each coordinate moves as the ones before it in the data decide.

    x_i = f(z_i; θ_i(x_1 … x_{i−1})), log |det dx/dz| = Σ_i log f′

    Densities take one pass of the conditioner, because all x are there; sampling takes one pass per coordinate, in
    sequence. `Invert` trades the two and is the inverse autoregressive flow. Put a `Permutation` between layers to
    change the order.

    Args:
        conditioner: from the event to the p raw parameters of each coordinate, where those of coordinate i, in
            row-major order, depend only on coordinates before i; shapes as of `Coupling`. A `Bound`.
        bijector: `bijector(raw) -> bijector` of a scalar, from `raw` of shape `[p]`; static.

    Raises:
        TypeError: the event or what the conditioner returns is not floating point.
        ValueError: the parameters cannot be dealt out evenly, or the bijector does not take a scalar to a scalar and
            a scalar log-determinant.

    Source: Papamakarios et al. (2017), section 3.1; inverted: Kingma et al. (2016), section 4.

    >>> from genjax import Bound
    >>> from genjax.flow import affine
    >>> running_sum = Bound(jnp.ones(()), lambda w, x: w * jnp.stack([jnp.cumsum(x) - x, 0 * x], axis=-1))
    >>> flow = MaskedAutoregressive(running_sum, affine)
    >>> print(flow.forward(jnp.ones(3))[0], flow.inverse(jnp.array([1.0, 2.0, 4.0]))[0])
    [1. 2. 4.] [1. 1. 1.]
    """

    conditioner: Callable[[Array], Array]
    bijector: Callable[[Array], Bijector] = field(metadata={"static": True})

    def forward(self, z: Float[Array, "*event"]) -> tuple[Float[Array, "*event"], Float[Array, ""]]:
        """Noise to data, one coordinate after another."""
        check_float(z=z)
        noise = jnp.ravel(z)

        def step(x: Array, i: Array) -> tuple[Array, Array]:
            raw = _rows(self.conditioner(jnp.reshape(x, z.shape)), z.size, "coordinate", z)
            value, log_det = _transform(self.bijector(raw[i]), noise[i], to_noise=False)
            return x.at[i].set(value), log_det

        x, log_dets = jax.lax.scan(step, jnp.zeros_like(noise), jnp.arange(noise.size))
        return jnp.reshape(x, z.shape), jnp.sum(log_dets)

    def inverse(self, x: Float[Array, "*event"]) -> tuple[Float[Array, "*event"], Float[Array, ""]]:
        """Data to noise, all coordinates at once."""
        check_float(x=x)
        raw = _rows(self.conditioner(x), x.size, "coordinate", x)
        z, log_dets = jax.vmap(lambda r, v: _transform(self.bijector(r), v, to_noise=True))(raw, jnp.ravel(x))
        return jnp.reshape(z, x.shape), jnp.sum(log_dets)


def checkerboard_mask(shape: tuple[int, ...], *, flip: bool = False) -> Mask:
    """A mask that is true where the sum of the spatial indices is even; the last of three axes is channels.

    Args:
        shape: of the event: `[H, W, C]`, or fewer axes, all of them spatial.
        flip: exchange true and false, for every other layer.

    Returns:
        Nested tuples of bool, of that shape.

    Raises:
        ValueError: `shape` has no axis, or more than three.

    Source: Dinh et al. (2017), section 3.4.

    >>> checkerboard_mask((2, 3))
    ((True, False, True), (False, True, False))
    """
    if not 1 <= len(shape) <= 3:
        raise ValueError(f"shape must be [H, W, C] or have fewer axes; got {shape}")
    return _tuples((np.indices(shape)[:2].sum(0) % 2 == 0) != flip)


def channel_mask(shape: tuple[int, ...], *, flip: bool = False) -> Mask:
    """A mask that is true on the first half of the last axis.

    Args:
        shape: of the event.
        flip: exchange true and false, for every other layer.

    Returns:
        Nested tuples of bool, of that shape.

    Raises:
        ValueError: `shape` has no axis.

    Source: Dinh et al. (2017), section 3.4.

    >>> channel_mask((4,)), channel_mask((1, 2), flip=True)
    ((True, True, False, False), ((False, True),))
    """
    if not shape:
        raise ValueError("shape must have an axis; got ()")
    return _tuples((np.indices(shape)[-1] < shape[-1] // 2) != flip)


def _tuples(mask: np.ndarray | list[Any] | bool) -> Mask:
    nested = mask.tolist() if isinstance(mask, np.ndarray) else mask
    return tuple(_tuples(row) for row in nested) if isinstance(nested, list) else nested


def _check_mask(mask: Mask, event: Array) -> Bool[np.ndarray, "*event"]:
    check_float(event=event)
    array = np.asarray(mask)
    if array.dtype != np.bool_:
        raise TypeError(f"mask must be nested tuples of bool; got {array.dtype}")
    if array.shape != jnp.shape(event):
        raise ValueError(f"mask must have the event's shape: mask {array.shape}, event {jnp.shape(event)}")
    return array


def _transform(bijector: Bijector, value: Array, *, to_noise: bool) -> tuple[Array, Array]:
    """One coordinate; a value or a log-determinant of another shape would broadcast against the event's."""
    moved, log_det = bijector.inverse(value) if to_noise else bijector.forward(value)
    if jnp.shape(moved) != () or jnp.shape(log_det) != ():
        raise ValueError(
            f"a transformer must take a scalar to a scalar and its scalar log-determinant, shapes () and (); "
            f"{type(bijector).__name__} returned {jnp.shape(moved)} and {jnp.shape(log_det)}"
        )
    return moved, log_det


def _rows(raw: Array, num_rows: int, of: str, event: Array) -> Float[Array, "rows p"]:
    check_float(raw=raw)
    if raw.size == 0 or raw.size % max(num_rows, 1):
        raise ValueError(
            f"the conditioner must return as many parameters for every {of}, of which there are {num_rows}: "
            f"raw {jnp.shape(raw)}, event {jnp.shape(event)}"
        )
    return jnp.reshape(raw, (num_rows, -1))

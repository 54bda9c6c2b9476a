"""The masked autoencoder for distribution estimation."""

import itertools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Integer

from genjax.autoregressive import made_masks, sequential_degrees

__all__ = ["MADE"]


class MADE(nnx.Module):
    """A masked multilayer perceptron whose logits for an input see only the inputs before it in an order.

    Level 0 is the reference: an input enters as K − 1 indicators of its other levels and leaves as their K − 1
    logits, beside a zero. So binary data take one unit and one logit an input.

    In its natural order a MADE is a `logits_fn` as `genjax.autoregressive` takes it. In another order it is one of
    the sequence in that order (`genjax.autoregressive.reordered`); the log-probability is the same.

    Args:
        num_inputs: n, the length of the sequence.
        hidden: widths of the hidden layers.
        num_levels: K.
        order: the input that comes first, the one after it, and so on; natural by default.
        degrees: `degrees(num_inputs, hidden)`, the connectivity: `sequential_degrees`, or
            `functools.partial(random_degrees, key)`.
        direct: whether inputs are connected to outputs directly too, past the hidden layers.
        activation: between layers.
        rngs: random streams of the initialisation.

    Source: Germain et al. (2015), section 4.

    >>> MADE(6, (8, 8), 3, rngs=nnx.Rngs(0))(jnp.array([0, 2, 1, 1, 0, 2])).shape
    (6, 3)
    """

    def __init__(
        self,
        num_inputs: int,
        hidden: Sequence[int],
        num_levels: int,
        *,
        order: Sequence[int] | None = None,
        degrees: Callable[[int, Sequence[int]], Sequence[Sequence[int]]] = sequential_degrees,
        direct: bool = False,
        activation: Callable[[Array], Array] = nnx.relu,
        rngs: nnx.Rngs,
    ):
        num_units = num_inputs * (num_levels - 1)
        widths = [num_units, *hidden, num_units]
        self.layers = nnx.List([nnx.Linear(i, o, rngs=rngs) for i, o in itertools.pairwise(widths)])
        self.direct = nnx.Linear(num_units, num_units, use_bias=False, rngs=rngs) if direct else None
        self.num_inputs = num_inputs
        self.num_levels = num_levels
        # Tuples, from which the masks are made while tracing: arrays would be state that an optimizer sees.
        self.order = tuple(range(num_inputs) if order is None else order)
        self.degrees = tuple(map(tuple, degrees(num_inputs, hidden)))
        self.activation = activation

    def __call__(self, x: Integer[Array, " n"]) -> Float[Array, "n k"]:
        """Logits `[n, K]` of every input given those before it in the order."""
        if x.shape != (self.num_inputs,):
            raise ValueError(f"x must have shape {(self.num_inputs,)}; got {x.shape}")
        dtype = self.layers[0].kernel.dtype
        units = jnp.ravel(jax.nn.one_hot(x, self.num_levels, dtype=dtype)[:, 1:])
        *hidden, last = zip(self.layers, self._masks(self.degrees), strict=True)
        h = units
        for layer, mask in hidden:
            h = self.activation(_masked(layer, mask, h))
        logits = _masked(*last, h)
        if self.direct is not None:
            logits += _masked(self.direct, self._masks(())[0], units)
        logits = jnp.reshape(logits, (self.num_inputs, self.num_levels - 1))
        return jnp.pad(logits, ((0, 0), (1, 0)))

    def _masks(self, degrees: tuple[tuple[int, ...], ...]) -> list[np.ndarray]:
        masks = made_masks(self.num_inputs, degrees, order=self.order)
        masks[0] = np.repeat(masks[0], self.num_levels - 1, axis=0)
        masks[-1] = np.repeat(masks[-1], self.num_levels - 1, axis=1)
        return masks


def _masked(layer: nnx.Linear, mask: np.ndarray, h: Float[Array, " i"]) -> Float[Array, " o"]:
    out = h @ jnp.where(mask, layer.kernel[...], 0)
    return out if layer.bias is None else out + layer.bias[...]

"""The masked autoencoder for distribution estimation."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Integer

from genjax.autoregressive import sequential_degrees
from genjax.nn.masked import MaskedMLP

__all__ = ["MADE"]


class MADE(MaskedMLP):
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
        super().__init__(
            num_inputs,
            hidden,
            num_levels - 1,
            num_units=num_levels - 1,
            order=order,
            degrees=degrees,
            direct=direct,
            activation=activation,
            rngs=rngs,
        )
        self.num_levels = num_levels

    def __call__(self, x: Integer[Array, " n"]) -> Float[Array, "n k"]:
        """Logits `[n, K]` of every input given those before it in the order."""
        if x.shape != (self.num_inputs,):
            raise ValueError(f"x must have shape {(self.num_inputs,)}; got {x.shape}")
        dtype = self.layers[0].kernel.dtype
        indicators = jax.nn.one_hot(x, self.num_levels, dtype=dtype)[:, 1:]
        return jnp.pad(super().__call__(indicators), ((0, 0), (1, 0)))

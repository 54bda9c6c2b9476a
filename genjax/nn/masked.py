"""The masked multilayer perceptron, whose outputs for an input see only the inputs before it."""

import itertools
from collections.abc import Callable, Sequence

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float

from genjax.autoregressive import made_masks, sequential_degrees

__all__ = ["MaskedMLP"]


class MaskedMLP(nnx.Module):
    """A multilayer perceptron whose outputs for an input see only the inputs before it in an order.

    The outputs of the first input in the order are free parameters, the biases of the last layer; with a context,
    functions of the context alone.

    Args:
        num_inputs: n.
        hidden: widths of the hidden layers.
        num_outputs: outputs of each input.
        num_units: numbers by which one input enters, e.g. the indicators of its levels.
        num_context: numbers of a context that all outputs see; they enter after the inputs.
        order: the input that comes first, the one after it, and so on; natural by default.
        degrees: `degrees(n, hidden)`, the connectivity: `sequential_degrees`, or
            `functools.partial(random_degrees, key)`. A context counts as one input more, before the first.
        direct: whether inputs are connected to outputs directly too, past the hidden layers.
        activation: between layers.
        rngs: random streams of the initialisation.

    Source: Germain et al. (2015), section 4; of real inputs, Papamakarios et al. (2017), section 3.1.

    >>> MaskedMLP(3, (8, 8), 2, rngs=nnx.Rngs(0))(jnp.array([0.3, -1.0, 2.0])).shape
    (3, 2)
    """

    def __init__(
        self,
        num_inputs: int,
        hidden: Sequence[int],
        num_outputs: int,
        *,
        num_units: int = 1,
        num_context: int = 0,
        order: Sequence[int] | None = None,
        degrees: Callable[[int, Sequence[int]], Sequence[Sequence[int]]] = sequential_degrees,
        direct: bool = False,
        activation: Callable[[Array], Array] = nnx.relu,
        rngs: nnx.Rngs,
    ):
        widths = [num_inputs * num_units + num_context, *hidden, num_inputs * num_outputs]
        self.layers = nnx.List([nnx.Linear(i, o, rngs=rngs) for i, o in itertools.pairwise(widths)])
        self.direct = nnx.Linear(widths[0], widths[-1], use_bias=False, rngs=rngs) if direct else None
        self.num_inputs = num_inputs
        self.num_outputs = num_outputs
        self.num_units = num_units
        self.num_context = num_context
        # Tuples, from which the masks are made while tracing: arrays would be state that an optimizer sees. A context
        # is an input before the first, and has no outputs.
        context = (num_inputs,) if num_context else ()
        self.order = (*context, *(range(num_inputs) if order is None else order))
        self.degrees = tuple(map(tuple, degrees(len(self.order), hidden)))
        self.activation = activation

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, "n outputs"]:
        """Outputs `[n, num_outputs]` of every input, from the `n · num_units` numbers by which they enter.

        The numbers of a context follow.
        """
        units = jnp.ravel(x)
        size = self.num_inputs * self.num_units + self.num_context
        if units.size != size:
            raise ValueError(f"x must have size {size}; got shape {x.shape}")
        *hidden, last = zip(self.layers, self._masks(self.degrees), strict=True)
        h = units
        for layer, mask in hidden:
            h = self.activation(_masked(layer, mask, h))
        outputs = _masked(*last, h)
        if self.direct is not None:
            outputs += _masked(self.direct, self._masks(())[0], units)
        return jnp.reshape(outputs, (self.num_inputs, self.num_outputs))

    def _masks(self, degrees: tuple[tuple[int, ...], ...]) -> list[np.ndarray]:
        masks = made_masks(len(self.order), degrees, order=self.order)
        repeats = lambda each, of_context: [each] * self.num_inputs + [of_context] * bool(self.num_context)
        masks[0] = np.repeat(masks[0], repeats(self.num_units, self.num_context), axis=0)
        masks[-1] = np.repeat(masks[-1], repeats(self.num_outputs, 0), axis=1)
        return masks


def _masked(layer: nnx.Linear, mask: Bool[np.ndarray, "i o"], h: Float[Array, " i"]) -> Float[Array, " o"]:
    kernel = jnp.where(mask, layer.kernel[...], 0)
    seeing = mask.any(axis=0)
    if seeing.all():
        out = h @ kernel
    else:  # outputs that see nothing, such as those of the first input, cost no product
        product = h @ kernel[:, seeing]
        out = jnp.zeros(mask.shape[1], product.dtype).at[seeing].set(product)
    return out if layer.bias is None else out + layer.bias[...]

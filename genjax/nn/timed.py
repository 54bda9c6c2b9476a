"""A residual perceptron of one example and one time, with a label where there are classes."""

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Integer

from genjax.nn.condition import Condition

__all__ = ["TimedMLP"]


class TimedMLP(nnx.Module):
    """A pre-norm residual perceptron whose blocks are shifted and scaled by the time and the label.

    The last layer starts at zero, so that an untrained network predicts 0.

    Args:
        num_inputs: the size of the example, and of the result.
        width: of the residual stream.
        num_layers: residual blocks.
        num_times: times that it is told.
        largest: the highest frequency at which a time is seen.
        num_classes: labels; there is one more row, the last, for "no label".
        skip: add each coordinate of the example to the result, times a number that the time and the label decide. A
            noise or a velocity has as many independent coordinates as the example, and a stream that is narrower
            cannot carry them.
        rngs: random streams of the initialisation.

    Source: He et al. (2016); shift and scale as in Peebles and Xie (2023), section 3.2; the skip, learned here, as in
    Karras et al. (2022), equation 7.

    >>> net = TimedMLP(2, width=8, num_layers=2, rngs=nnx.Rngs(0))
    >>> print(net(jnp.ones(2), jnp.array(0.3)))
    [0. 0.]
    """

    def __init__(
        self,
        num_inputs: int,
        *,
        width: int,
        num_layers: int,
        num_times: int = 1,
        largest: float = 1000.0,
        num_classes: int = 0,
        skip: bool = False,
        rngs: nnx.Rngs,
    ):
        linear = lambda i, o, **options: nnx.Linear(i, o, rngs=rngs, **options)
        self.first = linear(num_inputs, width)
        self.condition = Condition(
            width, num_times=num_times, largest=largest, num_classes=num_classes, rngs=rngs
        )
        self.blocks = nnx.List(
            [
                nnx.List(
                    [
                        nnx.LayerNorm(width, use_scale=False, use_bias=False, rngs=rngs),
                        linear(width, 2 * width, kernel_init=nnx.initializers.zeros),
                        linear(width, width),
                        linear(width, width),
                    ]
                )
                for _ in range(num_layers)
            ]
        )
        self.norm = nnx.LayerNorm(width, rngs=rngs)
        self.last = linear(width, num_inputs, kernel_init=nnx.initializers.zeros)
        self.skip = linear(width, num_inputs, kernel_init=nnx.initializers.zeros) if skip else None

    def __call__(
        self, x: Float[Array, "..."], *t: Float[Array, ""], label: Integer[Array, ""] | int | None = None
    ) -> Float[Array, "..."]:
        """The prediction for one example at its times in [0, 1], of the shape of x."""
        condition = self.condition(*t, label=label, dtype=x.dtype)
        h = self.first(jnp.ravel(x))
        for norm, modulate, inner, outer in self.blocks:
            scale, shift = jnp.split(modulate(condition), 2)
            h = h + outer(nnx.silu(inner(norm(h) * (1 + scale) + shift)))
        result = self.last(nnx.silu(self.norm(h)))
        if self.skip is not None:
            result += self.skip(condition) * jnp.ravel(x)
        return jnp.reshape(result, x.shape)

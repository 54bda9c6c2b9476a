"""A residual perceptron of one example and one time, with a label where there are classes."""

import math

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

__all__ = ["TimedMLP", "time_features"]


def time_features(t: Float[Array, ""], num_features: int, *, largest: float = 1000.0) -> Float[Array, " k"]:
    """Sines and cosines of a time at geometric frequencies, in its own dtype.

    (sin(ω_i t), cos(ω_i t)), ω_i from 1 to `largest`

    Args:
        t: a time, about 1 in size.
        num_features: an even number.
        largest: the highest frequency.

    Returns:
        `[num_features]`.

    Source: Vaswani et al. (2017), section 3.5; Ho et al. (2020), appendix B.

    >>> time_features(jnp.array(0.5), 8).shape
    (8,)
    """
    omega = jnp.exp(jnp.linspace(0.0, math.log(largest), num_features // 2)).astype(t.dtype)
    return jnp.concatenate([jnp.sin(omega * t), jnp.cos(omega * t)])


class TimedMLP(nnx.Module):
    """A pre-norm residual perceptron whose blocks are shifted and scaled by the time and the label.

    The last layer starts at zero, so that an untrained network predicts 0.

    Args:
        num_inputs: the size of the example, and of the result.
        width: of the residual stream.
        num_layers: residual blocks.
        num_classes: labels; there is one more row, the last, for "no label".
        rngs: random streams of the initialisation.

    Source: He et al. (2016); shift and scale as in Peebles and Xie (2023), section 3.2.

    >>> net = TimedMLP(2, width=8, num_layers=2, rngs=nnx.Rngs(0))
    >>> print(net(jnp.ones(2), jnp.array(0.3)))
    [0. 0.]
    """

    def __init__(self, num_inputs: int, *, width: int, num_layers: int, num_classes: int = 0, rngs: nnx.Rngs):
        linear = lambda i, o, **options: nnx.Linear(i, o, rngs=rngs, **options)
        self.num_features = 64
        self.first = linear(num_inputs, width)
        self.time = nnx.List([linear(self.num_features, width), linear(width, width)])
        self.labels = nnx.Embed(num_classes + 1, width, rngs=rngs) if num_classes else None
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

    def __call__(
        self, x: Float[Array, "..."], t: Float[Array, ""], label: Array | int | None = None
    ) -> Array:
        """The prediction for one example at a time in [0, 1], of the shape of x."""
        condition = time_features(t.astype(x.dtype), self.num_features)
        condition = self.time[1](nnx.silu(self.time[0](condition)))
        if self.labels is not None:
            condition = condition + self.labels(jnp.asarray(label))
        condition, h = nnx.silu(condition), self.first(jnp.ravel(x))
        for norm, modulate, inner, outer in self.blocks:
            scale, shift = jnp.split(modulate(condition), 2)
            h = h + outer(nnx.silu(inner(norm(h) * (1 + scale) + shift)))
        return jnp.reshape(self.last(nnx.silu(self.norm(h))), x.shape)

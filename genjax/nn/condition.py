"""What a network is told besides the example: a time, and a label where there are classes."""

import math
from typing import Any

import jax.numpy as jnp
from flax import nnx
from jax.core import Tracer
from jaxtyping import Array, Float, Integer

__all__ = ["Condition", "time_features"]

NUM_FEATURES = 64


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


class Condition(nnx.Module):
    """A vector for a time and a label, from which every block of a network takes its shifts and scales.

    Args:
        width: of the vector.
        num_times: times that it is told, such as the two ends of an interval.
        largest: the highest frequency at which a time is seen; a derivative along the time grows with it.
        num_classes: labels; there is one more row, the last, for "no label". Without classes there is no label.
        rngs: random streams of the initialisation.

    >>> Condition(8, num_classes=3, rngs=nnx.Rngs(0))(jnp.array(0.5), label=3).shape
    (8,)
    """

    def __init__(
        self,
        width: int,
        *,
        num_times: int = 1,
        largest: float = 1000.0,
        num_classes: int,
        rngs: nnx.Rngs,
    ):
        self.time = nnx.List(
            [nnx.Linear(num_times * NUM_FEATURES, width, rngs=rngs), nnx.Linear(width, width, rngs=rngs)]
        )
        self.largest = largest
        self.labels = nnx.Embed(num_classes + 1, width, rngs=rngs) if num_classes else None

    def __call__(
        self,
        *t: Float[Array, ""],
        label: Integer[Array, ""] | int | None = None,
        dtype: Any = None,
    ) -> Float[Array, " width"]:
        """The vector of one time in [0, 1], or several, and one label, in the dtype of the network."""
        inner, outer = self.time
        # In the time's own precision: in bfloat16 a thousand times would be told apart no more.
        features = jnp.concatenate([time_features(time, NUM_FEATURES, largest=self.largest) for time in t])
        vector = outer(nnx.silu(inner(features.astype(dtype or features.dtype))))
        if label is None and self.labels is None:
            return nnx.silu(vector)
        if label is None or self.labels is None:
            raise ValueError("a label is for a network with num_classes, and such a network needs one")
        last = self.labels.num_embeddings - 1
        if not isinstance(label, Tracer) and not 0 <= int(label) <= last:
            raise ValueError(f"labels are 0 to {last - 1}, and {last} stands for none; got {label}")
        return nnx.silu(vector + self.labels(jnp.asarray(label)))

"""What a data set is."""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

__all__ = ["Dataset", "centred_levels"]


@dataclass(frozen=True)
class Dataset:
    """A data set in memory, split once and for all.

    Args:
        name: what reports call it.
        train: examples to learn from, `[n, ...]`.
        validation: examples to select models by.
        test: examples to report on.
        train_labels: classes of the training examples, `[n]`, or None.
        validation_labels: classes of the validation examples, or None.
        test_labels: classes of the test examples, or None.
        num_levels: grey levels of integer data; None for real data.

    >>> points = np.zeros((4, 2))
    >>> Dataset("points", points, points[:1], points[1:]).num_dims
    2
    """

    name: str
    train: np.ndarray | Array
    validation: np.ndarray | Array
    test: np.ndarray | Array
    train_labels: np.ndarray | None = None
    validation_labels: np.ndarray | None = None
    test_labels: np.ndarray | None = None
    num_levels: int | None = None

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Shape of one example."""
        return self.train.shape[1:]

    @property
    def num_dims(self) -> int:
        """Dimensions of one example."""
        return int(np.prod(self.event_shape))


def centred_levels(levels: Int[Array, "..."], num_levels: int) -> Float[Array, "..."]:
    """Grey levels on the grid of [−1, 1] that a discretised logistic takes, x = 2 v / (num_levels − 1) − 1.

    Args:
        levels: v, integers in 0..num_levels−1, of any shape.
        num_levels: the number of levels.

    Returns:
        x, elementwise, in float32.

    >>> print(centred_levels(jnp.array([0, 8, 16]), 17))
    [-1.  0.  1.]
    """
    return 2 * levels.astype(jnp.float32) / (num_levels - 1) - 1

"""A data set together with what a model may assume of it: how an example is observed, and its likelihood."""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray

from genjax.data import Circle, Dataset, centred_levels, digits
from genjax.nn import Head, discretized_logistic_head, normal_head

__all__ = ["Task", "circle_task", "digits_task"]


@dataclass(frozen=True)
class Task:
    """Data, and the likelihood that fits them.

    Args:
        dataset: the examples as stored.
        observe: `observe(key, stored) -> x`, one example as the model sees it; random where the data are.
        head: the likelihood of x.
    """

    dataset: Dataset
    observe: Callable[[PRNGKeyArray, Array], Array]
    head: Head

    @property
    def num_levels(self) -> int | None:
        """As `bits_per_dim` takes it: 1 for a probability of discrete data, None for a density of real data."""
        return 1 if self.head.discrete else None


def digits_task() -> Task:
    """Digits of 8×8 pixels under a discretised logistic over their 17 levels."""
    dataset = digits()
    return Task(dataset, lambda key, levels: centred_levels(levels, 17), discretized_logistic_head(17))


def circle_task() -> Task:
    """20,000 points of a noisy circle of radius 2 under a Gaussian."""
    points = Circle().sample(jax.random.key(0), 24_000)
    train, validation, test = jnp.split(points, [20_000, 22_000])
    return Task(Dataset("circle", train, validation, test), lambda key, x: x, normal_head)

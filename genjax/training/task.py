"""A data set together with what a model may assume of it: how an example is observed, and its likelihood."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray

from genjax.data import Circle, Dataset, binarize, binarized_mnist, centred_levels, digits, mnist
from genjax.nn import Head, bernoulli_head, discretized_logistic_head, normal_head
from genjax.training import figures

__all__ = ["TASKS", "Task"]


@dataclass(frozen=True)
class Task:
    """Data, and the likelihood that fits them.

    Args:
        dataset: the examples as stored.
        observe: `observe(key, stored) -> x`, one example as the model sees it; random where the data are.
        head: the likelihood of x.
        low: the value of x that pictures show white.
        high: the value of x that pictures show black.
    """

    dataset: Dataset
    observe: Callable[[PRNGKeyArray, Array], Array]
    head: Head
    low: float = 0.0
    high: float = 1.0

    @property
    def num_levels(self) -> int | None:
        """As `bits_per_dim` takes it: 1 for a probability of discrete data, None for a density of real data."""
        return 1 if self.head.discrete else None

    def draw(self, path: Path, x: Array, *, title: str, columns: int = 10) -> None:
        """Draw images, given flat or not, in rows."""
        images = jnp.reshape(x, (-1, *self.dataset.event_shape))
        figures.image_grid(path, images, columns=columns, low=self.low, high=self.high, title=title)


def _digits(download: bool) -> Task:
    observe = lambda key, levels: centred_levels(levels, 17)
    return Task(digits(), observe, discretized_logistic_head(17), low=-1.0)


def _mnist(download: bool) -> Task:
    return Task(mnist(download=download), partial(binarize, num_levels=256), bernoulli_head)


def _binarized_mnist(download: bool) -> Task:
    observe = lambda key, bits: bits.astype(jnp.float32)
    return Task(binarized_mnist(download=download), observe, bernoulli_head)


def _circle(download: bool) -> Task:
    points = Circle().sample(jax.random.key(0), 24_000)
    train, validation, test = jnp.split(points, [20_000, 22_000])
    return Task(Dataset("circle", train, validation, test), lambda key, x: x, normal_head)


TASKS: dict[str, Callable[[bool], Task]] = {
    "digits": _digits,
    "mnist": _mnist,
    "binarized-mnist": _binarized_mnist,
    "circle": _circle,
}
"""What a preset's `data` names; the argument says whether missing files may be downloaded."""

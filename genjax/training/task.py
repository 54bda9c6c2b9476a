"""A data set together with what a model may assume of it: how an example is observed, and its likelihood."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray

from genjax.data import (
    Checkerboard,
    Circle,
    Dataset,
    GaussianGrid,
    GaussianRing,
    Pinwheel,
    TwoMoons,
    TwoSpirals,
    binarize,
    binarized_mnist,
    centred_levels,
    digits,
    mnist,
)
from genjax.nn import Head, bernoulli_head, discretized_logistic_head, normal_head

__all__ = ["TASKS", "TOYS", "Density", "Task"]

NUM_POINTS = (1_000_000, 10_000, 20_000)
"""Points of a toy density to train on, to validate and to test: so many that a network cannot learn them by heart."""


@runtime_checkable
class Density(Protocol):
    """A density in the plane that is known."""

    def sample(self, key: PRNGKeyArray, n: int) -> Array:
        """Draw n points, `[n, 2]`."""
        ...

    def log_prob(self, x: Array) -> Array:
        """Log-density of one point, in nats."""
        ...


@dataclass(frozen=True)
class Task:
    """Data, and the likelihood that fits them.

    Args:
        dataset: the examples as stored.
        observe: `observe(key, stored) -> x`, one example as the model sees it; random where the data are.
        head: the likelihood of x.
        low: the value of x that pictures show white.
        high: the value of x that pictures show black.
        density: the truth, where it is known.
    """

    dataset: Dataset
    observe: Callable[[PRNGKeyArray, Array], Array]
    head: Head
    low: float = 0.0
    high: float = 1.0
    density: Density | None = None

    @property
    def num_levels(self) -> int | None:
        """As `bits_per_dim` takes it: 1 for a probability of discrete data, None for a density of real data."""
        return 1 if self.head.discrete else None

    def draw(self, path: Path, x: Array, *, title: str, columns: int = 10) -> None:
        """Draw images, given flat or not, in rows."""
        from genjax.training import figures  # Matplotlib loads slowly, and training needs none

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


def _toy(name: str, density: Density) -> Callable[[bool], Task]:
    def task(download: bool) -> Task:
        points = density.sample(jax.random.key(0), sum(NUM_POINTS))
        train, validation, test = jnp.split(points, list(accumulate(NUM_POINTS))[:2])
        dataset = Dataset(name, train, validation, test)
        return Task(dataset, lambda key, x: x, normal_head, density=density)

    return task


TOYS: dict[str, Density] = {
    "checkerboard": Checkerboard(),
    "circle": Circle(),
    "grid": GaussianGrid(),
    "moons": TwoMoons(),
    "pinwheel": Pinwheel(),
    "ring": GaussianRing(),
    "spirals": TwoSpirals(),
}
"""The densities in the plane by the names of their presets."""

TASKS: dict[str, Callable[[bool], Task]] = {
    "digits": _digits,
    "mnist": _mnist,
    "binarized-mnist": _binarized_mnist,
} | {name: _toy(name, density) for name, density in TOYS.items()}
"""What a preset's `data` names; the argument says whether missing files may be downloaded."""

"""What a data set is."""

import hashlib
import math
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Integer, PRNGKeyArray

from genjax._checks import check_count, check_integer, check_key, check_values
from genjax.faults import DataError

__all__ = ["Dataset", "Density", "Spec", "binarize", "centred_levels", "evenly_spaced"]


@runtime_checkable
class Density(Protocol):
    """A law of examples that is known.

    >>> from genjax.data import Circle
    >>> density: Density = Circle()
    >>> density.sample(jax.random.key(0), 3).shape
    (3, 2)
    """

    def sample(self, key: PRNGKeyArray, n: int) -> Array:
        """Draw n examples, `[n, *event]`."""
        ...

    def log_prob(self, x: Array) -> Array:
        """Log-density of one example, in nats."""
        ...


class Spec(NamedTuple):
    """What a model needs to know of a data set to be built, without an example of it.

    Args:
        name: of the data set.
        event_shape: shape of one example.
        num_levels: grey levels of integer data; None for real data.
        num_classes: of its labels; None where it has none.

    >>> Spec("digits", (8, 8), num_levels=17).num_dims
    64
    """

    name: str
    event_shape: tuple[int, ...]
    num_levels: int | None = None
    num_classes: int | None = None

    @property
    def num_dims(self) -> int:
        """Dimensions of one example."""
        return math.prod(self.event_shape)


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
        density: the law the examples were drawn from, where it is known.

    Raises:
        DataError: a part is empty, has another event shape, or holds a NaN or an infinity; with `num_levels`, is not
            integer or leaves 0..num_levels−1; its labels are not `[n]`, not integer, negative or of a class that the
            training examples lack.

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
    density: Density | None = None

    def __post_init__(self) -> None:
        for part in ("train", "validation", "test"):
            array = getattr(self, part)
            if array.ndim == 0 or len(array) == 0 or array.shape[1:] != self.event_shape:
                raise DataError(
                    f"{self.name}: {part} must be [n, ...] with at least one example of shape "
                    f"{self.event_shape}; got shape {array.shape}"
                )
            if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
                bad = int(np.argwhere(~np.isfinite(np.asarray(array)))[0][0])
                raise DataError(f"{self.name}: {part} must be finite; example {bad} is not")
            if self.num_levels is not None:
                self._check_integers(part, array, self.num_levels)
            labels = getattr(self, f"{part}_labels")
            if labels is None:
                continue
            if np.shape(labels) != (len(array),):
                raise DataError(
                    f"{self.name}: {part}_labels must have one label for each example, shape {(len(array),)}; "
                    f"got shape {np.shape(labels)}"
                )
            known = None if part == "train" else self.spec.num_classes
            self._check_integers(f"{part}_labels", labels, known)

    def _check_integers(self, what: str, array: np.ndarray | Array, count: int | None) -> None:
        """Raise DataError unless all are integers in 0..count−1, or not negative where the count is unknown."""
        if not np.issubdtype(array.dtype, np.integer):
            raise DataError(f"{self.name}: {what} must be integer; got {array.dtype}")
        lowest, highest = int(array.min()), int(array.max())
        if lowest < 0 or (count is not None and highest >= count):
            expected = "be at least 0" if count is None else f"lie in 0..{count - 1}"
            raise DataError(f"{self.name}: {what} must {expected}; got {lowest if lowest < 0 else highest}")

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Shape of one example."""
        return self.train.shape[1:]

    @property
    def num_dims(self) -> int:
        """Dimensions of one example."""
        return math.prod(self.event_shape)

    @property
    def spec(self) -> Spec:
        """What a model is built from."""
        classes = None if self.train_labels is None else int(self.train_labels.max()) + 1
        return Spec(self.name, self.event_shape, self.num_levels, classes)

    def with_test(self, num: int | None) -> "Dataset":
        """The same with at most `num` test examples, one from each of `num` stretches; all of them by default.

        >>> points = np.zeros((9, 2))
        >>> len(Dataset("points", points, points, points).with_test(4).test)
        4
        """
        if num is None or num >= len(self.test):
            return self
        rows = evenly_spaced(np.arange(len(self.test)), num)
        labels = None if self.test_labels is None else self.test_labels[rows]
        return replace(self, test=self.test[rows], test_labels=labels)

    def checksums(self) -> dict[str, str]:
        """SHA-256 of the examples of each part, for a run's provenance."""
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        digest = lambda array: hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
        return {name: digest(array) for name, array in parts.items()}


def evenly_spaced(data: Any, n: int) -> Any:
    """At most n examples from all of the data, because files may be sorted by class, or run through them in turn.

    The data are cut into n stretches, and one example is drawn from each, the same in every call: even spacing of
    sorted data, without the bias of a fixed step, which meets the same classes of periodic data again and again.

    Args:
        data: `[m, ...]`.
        n: how many; all of them if there are fewer.

    Returns:
        `[min(n, m), ...]`, in their order.

    >>> evenly_spaced(jnp.arange(10), 3).shape, evenly_spaced(jnp.arange(3), 10).tolist()
    ((3,), [0, 1, 2])
    """
    n = min(n, len(data))
    edges = np.arange(n + 1) * len(data) // max(n, 1)
    return data[np.random.default_rng(0).integers(edges[:-1], edges[1:])]


def centred_levels(levels: Integer[Array, "..."], num_levels: int) -> Float[Array, "..."]:
    """Grey levels on the grid of [−1, 1] that a discretised logistic takes, x = 2 v / (num_levels − 1) − 1.

    Args:
        levels: v, integers in 0..num_levels−1, of any shape.
        num_levels: the number of levels.

    Returns:
        x, elementwise, in float32.

    >>> print(centred_levels(jnp.array([0, 8, 16]), 17))
    [-1.  0.  1.]
    """
    return 2 * levels.astype(jnp.float32) / (int(num_levels) - 1) - 1


def binarize(
    key: PRNGKeyArray, levels: Integer[Array | np.ndarray, "*event"], *, num_levels: int = 256
) -> Float[Array, "*event"]:
    """Grey levels as coin flips, drawn anew at each call (dynamic binarisation).

    P(x = 1) = v / (num_levels − 1)

    Args:
        key: of the draw.
        levels: v, integers in 0..num_levels−1, of any shape.
        num_levels: the number of levels, at least 2.

    Returns:
        x, zeros and ones, elementwise, in float32.

    Raises:
        TypeError: `levels` is not integer, or `key` is not a typed key.
        ValueError: a level outside its range (NaN under `jit`), or `num_levels` below 2.

    Source: Salakhutdinov and Murray (2008).

    >>> print(binarize(jax.random.key(0), jnp.array([0, 255])))
    [0. 1.]
    """
    check_key(key)
    check_integer(levels=levels)
    check_count(num_levels=num_levels)
    num_levels = int(num_levels)
    if num_levels < 2:
        raise ValueError(f"num_levels must be at least 2; got {num_levels}")
    levels = jnp.asarray(levels).astype(jnp.int32)  # a byte cannot be compared with 256
    in_range = (levels >= 0) & (levels < num_levels)
    check_values("levels", levels, in_range, f"lie in 0..{num_levels - 1}")
    x = jax.random.bernoulli(key, levels.astype(jnp.float32) / (num_levels - 1))
    return jnp.where(in_range, x.astype(jnp.float32), jnp.nan)

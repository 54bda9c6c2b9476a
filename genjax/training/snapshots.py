"""Pictures of a model while it learns, as a part of the state of training."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray, PyTree

from genjax._checks import check_count
from genjax.training.lazily import lazily
from genjax.training.steps import Init, Step

__all__ = ["SnapshotState", "with_snapshots"]


class SnapshotState(NamedTuple):
    """A state with what was drawn from it at some steps.

    Args:
        inner: the state of the step that is wrapped.
        taken: `[num, ...]`, one snapshot after the other; zeros where none was taken yet.

    >>> from genjax.training import TrainState
    >>> SnapshotState(TrainState(jnp.array(3), {}, ()), jnp.zeros((2, 4))).step.item()
    3
    """

    inner: Any
    taken: Array

    @property
    def step(self) -> Array:
        """Steps taken; under vmap, of every seed."""
        return self.inner.step

    @property
    def params(self) -> PyTree[Array]:
        """The parameters, as the wrapped state gives them."""
        return self.inner.params


def with_snapshots(
    init: Init, step: Step, draw: Callable[[PyTree[Array]], Array], *, every: int, num: int
) -> tuple[Init, Step]:
    """Draw from the parameters every so many steps, from the same noise each time, and keep what was drawn.

    Args:
        init: `init(params) -> state`.
        step: `step(state, key, batch) -> (state, metrics)`.
        draw: `draw(params) -> array`, such as samples from fixed noise.
        every: steps from one snapshot to the next.
        num: how many are kept; later ones are not taken.

    Returns:
        `init` and `step` of a `SnapshotState`.

    Raises:
        TypeError: a count is no integer.
        ValueError: a count is below 1.

    >>> import optax
    >>> from genjax.training import make_step
    >>> plain = make_step(lambda p, key, batch: -p, optax.sgd(1.0))
    >>> init, step = with_snapshots(*plain, lambda p: p, every=2, num=2)
    >>> state = init(jnp.zeros(()))
    >>> for _ in range(5):
    ...     state, _ = step(state, jax.random.key(0), None)
    >>> print(state.taken)
    [2. 4.]
    """
    check_count(every=every, num=num)

    def init_first(params: PyTree[Array]) -> SnapshotState:
        return SnapshotState(
            init(params), jnp.zeros_like(draw(params), shape=(num, *jnp.shape(draw(params))))
        )

    def step_and_draw(
        state: SnapshotState, key: PRNGKeyArray, batch: PyTree[Array]
    ) -> tuple[SnapshotState, dict[str, Array]]:
        inner, metrics = step(state.inner, key, batch)
        place = inner.step // every - 1
        picture = lazily(draw, (inner.step % every == 0) & (place < num), inner.params)
        # What was not drawn is zero, and adds nothing to any place.
        return SnapshotState(inner, state.taken.at[jnp.clip(place, 0, num - 1)].add(picture)), metrics

    return init_first, step_and_draw

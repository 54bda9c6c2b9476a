"""Many steps on batches that the host reads one by one, for data that do not fit in memory."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray, PyTree

from genjax._checks import check_count, check_key
from genjax.training.mesh import from_processes
from genjax.training.steps import Step

__all__ = ["fit_stream"]


def fit_stream(
    key: PRNGKeyArray, step: Step, state: Any, batches: Any, *, num_steps: int
) -> tuple[Any, PyTree[Array]]:
    """Train for a number of steps, each on the batch of its number; Grain reads the next ones in the meantime.

    Step n takes `batches[n]` and draws its noise from `fold_in(key, n)`, n = `state.step`. A Grain dataset gives the
    same batch for a number each time, shuffled or not, so that a checkpoint of the state holds the place in the data
    too, and a run in pieces is the run in one. Under `jax.set_mesh` each process reads its own rows, which together
    are the batch.

    Args:
        key: one key, the same for every piece of a run.
        step: `step(state, key, batch) -> (state, metrics)`, any pure function; built once.
        state: a pytree with a `step` field.
        batches: a `grain.MapDataset` of batches without end, `source(…)[process::processes].shuffle(seed).repeat()
            .batch(rows)`, where rows are those of this process.
        num_steps: steps to take.

    Returns:
        The state, and the metrics of every step, stacked `[num_steps, ...]`.

    Raises:
        TypeError: the key is not typed, or the count is no integer.
        ValueError: the count is below 1, or the batches end before.

    >>> import grain, optax
    >>> from genjax.training import make_step
    >>> init, step = make_step(lambda p, key, x: jnp.mean((p - x) ** 2), optax.sgd(0.1))
    >>> batches = grain.MapDataset.source([1.0, 3.0]).shuffle(seed=0).repeat().batch(2)
    >>> state, metrics = fit_stream(jax.random.key(0), step, init(jnp.zeros(())), batches, num_steps=50)
    >>> print(f"{state.params:.2f}", metrics["loss"].shape)
    2.00 (50,)
    """
    check_key(key)
    check_count(num_steps=num_steps)
    begun, history = int(state.step), []
    if begun + num_steps > len(batches):
        raise ValueError(
            f"steps {begun} to {begun + num_steps} need as many batches, and there are {len(batches)}; "
            "repeat the data"
        )
    reader = iter(batches[begun : begun + num_steps].to_iter_dataset())
    for batch in reader:
        state, metrics = _step(key, step, state, from_processes(batch))
        history.append(metrics)
    return state, jax.tree.map(lambda *values: jnp.stack(values), *history)


@partial(jax.jit, static_argnames="step")
def _step(key: PRNGKeyArray, step: Step, state: Any, batch: PyTree[Array]) -> tuple[Any, PyTree[Array]]:
    return step(state, jax.random.fold_in(key, state.step), batch)

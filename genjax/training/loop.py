"""Many steps in one dispatch."""

from typing import Any

import jax
from jaxtyping import Array, PRNGKeyArray, PyTree

from genjax._checks import check_count, check_key
from genjax.training.mesh import split_batch
from genjax.training.steps import Step

__all__ = ["fit"]


def fit(
    key: PRNGKeyArray,
    step: Step,
    state: Any,
    data: PyTree[Array],
    *,
    num_steps: int,
    batch_size: int,
    donate: bool = False,
) -> tuple[Any, PyTree[Array]]:
    """Train for a number of steps: a scan, so that a step costs its arithmetic and not Python's dispatch.

    Step n draws its batch (with replacement) and its noise from `fold_in(key, n)`, n = `state.step`, so a run in
    pieces is the run in one, bit for bit, in the same mode (scanned, or single steps). `num_steps=1` runs without a
    scan, because gradients of convolutions in a loop are many times slower on a CPU. `jax.vmap` over keys and states
    trains several seeds at once. Under `jax.set_mesh` the rows of each batch are split over the devices.

    Args:
        key: one key, the same for every piece of a run.
        step: `step(state, key, batch) -> (state, metrics)`, any pure function; `state.step` counts its calls. It is
            a static argument: build it once.
        state: a pytree with a `step` field.
        data: a pytree of arrays `[n, ...]`, passed and not closed over.
        num_steps: steps to take.
        batch_size: examples a step; may exceed n.
        donate: give the buffers of `state` away, so that the state passed in is unusable afterwards; the parameters
            that `init` of `make_step` was given stay. Not under vmap.

    Returns:
        The state, and the metrics of every step, stacked `[num_steps, ...]`.

    Raises:
        TypeError: the key is not typed, or a count is no integer.
        ValueError: a count is below 1, or the data have no common leading axis or no rows.

    >>> import optax
    >>> from genjax.training import make_step
    >>> init, step = make_step(lambda p, key, x: jnp.mean((p - x) ** 2), optax.sgd(0.1))
    >>> data = jnp.array([1.0, 3.0])
    >>> state, metrics = fit(jax.random.key(0), step, init(jnp.zeros(())), data, num_steps=200, batch_size=64)
    >>> print(f"{state.params:.1f}", metrics["loss"].shape)
    2.0 (200,)
    """
    check_key(key)
    check_count(num_steps=num_steps, batch_size=batch_size)
    lengths = {leaf.shape[:1] for leaf in jax.tree.leaves(data)}
    if len(lengths) != 1 or lengths & {(), (0,)}:
        shapes = ", ".join(str(leaf.shape) for leaf in jax.tree.leaves(data))
        raise ValueError(
            f"data must be arrays with one leading axis of at least one row; got {shapes or 'none'}"
        )
    run = _run_donating if donate else _run
    return run(key, step, state, data, num_steps=num_steps, batch_size=batch_size)


def _steps(key, step, state, data, *, num_steps, batch_size):
    n = jax.tree.leaves(data)[0].shape[0]

    def one(state: Any, _: None = None) -> tuple[Any, PyTree[Array]]:
        key_batch, key_step = jax.random.split(jax.random.fold_in(key, state.step))
        rows = jax.random.randint(key_batch, (batch_size,), 0, n)
        return step(state, key_step, split_batch(jax.tree.map(lambda leaf: leaf[rows], data)))

    if num_steps == 1:
        state, metrics = one(state)
        return state, jax.tree.map(lambda leaf: leaf[None], metrics)
    return jax.lax.scan(one, state, length=num_steps)


_STATIC = ("step", "num_steps", "batch_size")
_run = jax.jit(_steps, static_argnames=_STATIC)
_run_donating = jax.jit(_steps, static_argnames=_STATIC, donate_argnames="state")

"""The outer loop: chunks of steps, and between them validation, selection, logging and a way to stop."""

from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, PyTree

from genjax._checks import check_count
from genjax.faults import NonFiniteError
from genjax.training.compiled import compiled
from genjax.training.loop import fit
from genjax.training.mesh import copied, split_state
from genjax.training.steps import Step

__all__ = ["NonFiniteError", "Progress", "Selected", "start", "train"]


class Selected(NamedTuple):
    """The best parameters so far, by validation alone; every leaf has a leading axis of seeds.

    Args:
        params: the parameters at the best validation.
        value: its cost.
        step: when it was.
        waited: validations since.
    """

    params: PyTree[Array]
    value: Float[Array, "..."]
    step: Int[Array, "..."]
    waited: Int[Array, "..."]


class Progress(NamedTuple):
    """Everything a run needs to go on: the training state and the selection, of all seeds."""

    state: Any
    selected: Selected


def start(state: Any) -> Progress:
    """Begin with nothing selected.

    Args:
        state: training states with a leading axis of seeds, and fields `params` and `step`.

    Returns:
        `Progress`.
    """
    shape = state.step.shape
    params = jax.tree.map(jnp.copy, state.params)
    selected = Selected(params, jnp.full(shape, jnp.inf), jnp.zeros(shape, int), jnp.zeros(shape, int))
    return Progress(state, selected)


def train(
    keys: Key[Array, " s"],
    step: Step,
    progress: Progress,
    data: PyTree[Array],
    validate: Callable[[PyTree[Array], PyTree[Array]], Float[Array, ""]],
    validation: PyTree[Array],
    *,
    num_steps: int,
    batch_size: int,
    validate_every: int,
    log_every: int,
    steps_per_call: int | None = None,
    patience: int | None = None,
    after_chunk: Callable[[Progress, dict[str, Any]], bool] = lambda progress, record: False,
) -> Progress:
    """Train all seeds to `num_steps`, selecting parameters by validation.

    Chunks end at multiples of `log_every` and of `validate_every`, so a resumed run takes the same chunks. With
    `patience`, training ends once every seed has gone that many validations without a new best.

    Args:
        keys: one key per seed, `[s]`; step n of a seed uses `fold_in(key, n)`.
        step: `step(state, key, batch) -> (state, metrics)` of one seed.
        progress: where to go on from (`start` for a new run).
        data: arrays `[n, ...]` all seeds share.
        validate: `validate(params, validation) -> cost`, of one seed, the same numbers each time it is called.
        validation: its data, an argument because data that a program closes over become constants of it.
        num_steps: the step to stop at.
        batch_size: examples a step.
        validate_every: steps between validations.
        log_every: steps between records.
        steps_per_call: steps in one dispatch; 1 where a loop on the device is slow (convolutions on a CPU), by
            default a whole chunk.
        patience: validations without improvement before stopping; None never stops.
        after_chunk: called after each chunk with the progress and a record of means over the chunk; true stops.

    Returns:
        The progress at the end.

    Raises:
        NonFiniteError: a metric of some step, or a validation, is NaN or infinite; step and seed are named.
        MemoryError: the compiled step needs more memory than is free.
    """
    check_count(num_steps=num_steps, validate_every=validate_every, log_every=log_every)
    num_steps, validate_every, log_every = int(num_steps), int(validate_every), int(log_every)

    @cache
    def advance(length: int) -> Callable[..., Any]:
        run = partial(fit, num_steps=length, batch_size=batch_size)
        one_seed = lambda state, key, data: run(key, step, state, data)

        def all_seeds(state: Any, keys: Array, data: PyTree[Array]) -> tuple[Any, PyTree[Array]]:
            state, metrics = jax.vmap(one_seed, (0, 0, None))(state, keys, data)
            return split_state(state, leading=1), copied(metrics)

        return compiled(all_seeds, progress.state, keys, data)

    @jax.jit
    def select(progress: Progress, validation: PyTree[Array]) -> tuple[Selected, Array]:
        def one_seed(state: Any, selected: Selected) -> tuple[Selected, Array]:
            value = validate(state.params, validation)
            return _better(value, state, selected), value

        selected, value = jax.vmap(one_seed)(*progress)
        return split_state(selected, leading=1), copied(value)

    done = int(progress.state.step.max())
    while done < num_steps and not _exhausted(progress.selected, patience):
        begun = done
        target = min(num_steps, _next(done, log_every), _next(done, validate_every))
        state, parts = progress.state, []
        while done < target:
            length = min(steps_per_call or target, target - done)
            state, metrics = advance(length)(state, keys, data)
            parts.append(metrics)
            done += length
        metrics = jax.tree.map(lambda *leaves: np.concatenate(leaves, axis=1), *parts)
        _check_finite(metrics, begun)
        progress = progress._replace(state=state)
        record: dict[str, Any] = {"step": done}
        record |= {name: values.mean(axis=1).tolist() for name, values in metrics.items()}
        if done % validate_every == 0 or done == num_steps:
            selected, value = select(progress, validation)
            _check_finite({"validation": np.asarray(value)[:, None]}, done - 1)
            progress = progress._replace(selected=selected)
            record |= {"validation": value.tolist(), "validation_best": selected.value.tolist()}
        if after_chunk(progress, record):
            break
    return progress


def _better(value: Array, state: Any, selected: Selected) -> Selected:
    improved = value < selected.value
    new = Selected(state.params, value, state.step, jnp.zeros_like(selected.waited))
    old = selected._replace(waited=selected.waited + 1)
    return jax.tree.map(partial(jnp.where, improved), new, old)


def _next(done: int, period: int) -> int:
    return (done // period + 1) * period


def _exhausted(selected: Selected, patience: int | None) -> bool:
    return patience is not None and bool((selected.waited >= patience).all())


def _check_finite(metrics: dict[str, np.ndarray], done: int) -> None:
    for name, values in metrics.items():
        bad = np.argwhere(~np.isfinite(values))
        if bad.size:
            seed, offset = bad[np.argmin(bad[:, 1])][:2]
            step = done + offset + 1
            # The first step has not moved the parameters yet.
            remedy = (
                "the parameters are the initial ones, so look at the data and at the options of the loss"
                if step == 1 and name != "validation"
                else "a smaller learning rate or gradient clipping may help"
            )
            raise NonFiniteError(
                f"{name} is {values[seed, offset]} at step {step} of seed number {seed}; {remedy}"
            )

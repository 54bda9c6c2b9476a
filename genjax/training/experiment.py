"""What the experiments share: a run folder from options, and all seeds of a model trained in it."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, PRNGKeyArray, PyTree

from genjax.batching import expectation
from genjax.data.dataset import Dataset
from genjax.training.driver import start, train
from genjax.training.evaluate import map_examples
from genjax.training.options import Options
from genjax.training.run import RunFolder, check_positive
from genjax.training.session import Session
from genjax.training.steps import Init, Step, make_step, with_ema

__all__ = ["Trained", "make_optimizer", "open_run", "run_seeds", "train_seeds"]

POSITIVE = ("steps", "batch_size", "seeds", "learning_rate", "clip", "accumulate", "validate_every")
MAY_DIFFER = ("out", "resume", "download", "checkpoint_seconds", "tensorboard")


class Trained(NamedTuple):
    """The outcome of training, all seeds.

    Args:
        params: the parameters that validation chose; every leaf has a leading axis of seeds.
        selected_step: the step they are of, one a seed.
        seconds: wall time of training, compilation included.
        steps_per_second: of all seeds side by side.
    """

    params: PyTree[Array]
    selected_step: list[int]
    seconds: float
    steps_per_second: float

    def cost(self, *, calls: int | None, sampling_seconds: float, num_samples: int) -> dict[str, Any]:
        """A summary's entry on cost: `calls` of the network a sample (None: no network), seconds for all samples."""
        return {
            "training_seconds": self.seconds,
            "steps_per_second": self.steps_per_second,
            "network_calls_per_sample": calls,
            "seconds_per_1000_samples": 1000 * sampling_seconds / num_samples,
        }


def open_run(options: Options, dataset: Dataset, *positive: str) -> RunFolder:
    """Check the options, then make the run folder or reopen the one to resume.

    Args:
        options: the configuration.
        dataset: the data, whose checksums go into the provenance.
        *positive: further options that must be above zero.

    Raises:
        UsageError: an option is out of range, or `--resume` finds no run or another configuration.
        RunError: the folder is in use or cannot be written.
    """
    check_positive(options, *POSITIVE, *positive)
    if options.resume:
        return RunFolder.reopen(options.out, options, free=MAY_DIFFER)
    return RunFolder.create(options.out, options, data=dataset)


def make_optimizer(options: Options) -> optax.GradientTransformation:
    """AdamW under a cosine schedule, with clipping and accumulation as the options say."""
    updates = -(-options.steps // options.accumulate)
    chain = optax.chain(
        optax.clip_by_global_norm(options.clip),
        optax.adamw(
            optax.cosine_decay_schedule(options.learning_rate, updates), weight_decay=options.weight_decay
        ),
    )
    if options.accumulate == 1:
        return chain
    return optax.MultiSteps(chain, options.accumulate).gradient_transformation()


def train_seeds(
    run: RunFolder,
    options: Options,
    init: Callable[[PRNGKeyArray], PyTree[Array]],
    loss: Callable[..., Any],
    data: PyTree[Array],
    validation: PyTree[Array],
    *,
    name: str = "",
    steps_per_call: int | None = None,
) -> Trained:
    """Minimise the mean of a loss from every seed.

    Args:
        run: the folder.
        options: the configuration.
        init: `init(key) -> params` of one seed.
        loss: `loss(params, key, example) -> scalar`, of one example; validation averages the same.
        data: arrays `[n, ...]` to train on.
        validation: arrays `[m, ...]` to select by.
        name: of the model, where a run trains several.
        steps_per_call: steps in one dispatch, as in `train`.

    Returns:
        `Trained`.
    """
    steps = make_step(
        lambda params, key, batch: expectation(partial(loss, params))(key, batch), make_optimizer(options)
    )
    key_validation = jax.random.key(options.seed + 1000)

    def validate(params: PyTree[Array], validation: PyTree[Array]) -> Array:
        return jnp.mean(map_examples(partial(loss, params), key_validation, validation))

    how = {"name": name, "steps_per_call": steps_per_call}
    return run_seeds(run, options, init, steps, validate, data, validation, **how)


def run_seeds(
    run: RunFolder,
    options: Options,
    init: Callable[[PRNGKeyArray], PyTree[Array]],
    steps: tuple[Init, Step],
    validate: Callable[[PyTree[Array], PyTree[Array]], Array],
    data: PyTree[Array],
    validation: PyTree[Array],
    *,
    name: str = "",
    steps_per_call: int | None = None,
) -> Trained:
    """Run any step from every seed, with validation, checkpoints, progress and a way to stop.

    Args:
        run: the folder.
        options: the configuration.
        init: `init(key) -> params` of one seed.
        steps: `init(params) -> state` and `step(state, key, batch) -> (state, metrics)`, such as `make_step` gives.
        validate: `validate(params, validation) -> cost`, of one seed.
        data: arrays `[n, ...]` to train on.
        validation: arrays `[m, ...]` to select by.
        name: of the model, where a run trains several.
        steps_per_call: steps in one dispatch, as in `train`.

    Returns:
        `Trained`.
    """
    init_state, step = with_ema(*steps, options.ema) if options.ema else steps
    keys = jax.random.split(jax.random.key(options.seed), options.seeds)
    key_init, key_train = jax.vmap(partial(jax.random.split, num=2), out_axes=1)(keys)

    started = time.perf_counter()
    with Session(
        run,
        num_steps=options.steps,
        checkpoint_every=options.checkpoint_seconds,
        tensorboard=options.tensorboard,
        name=name,
    ) as session:
        progress = start(jax.jit(jax.vmap(lambda key: init_state(init(key))))(key_init))
        if options.resume:
            progress = session.resume(progress)
        first_step = int(progress.state.step.max())
        progress = train(
            key_train,
            step,
            progress,
            jax.tree.map(jnp.asarray, data),
            validate,
            jax.tree.map(jnp.asarray, validation),
            num_steps=options.steps,
            batch_size=options.batch_size,
            validate_every=options.validate_every,
            log_every=100,
            steps_per_call=steps_per_call,
            patience=options.patience,
            after_chunk=session.after_chunk,
        )
    seconds = time.perf_counter() - started
    return Trained(
        progress.selected.params,
        progress.selected.step.tolist(),
        seconds,
        (int(progress.state.step.max()) - first_step) / seconds,
    )

"""A run from its options to trained parameters: its keys, its folder, and all seeds of a model trained in it."""

import contextlib
import math
import time
import zlib
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Key, PRNGKeyArray, PyTree

from genjax.batching import expectation
from genjax.data.dataset import Dataset, evenly_spaced
from genjax.training.compiled import compiled
from genjax.training.driver import Progress, start, train
from genjax.training.evaluate import map_examples
from genjax.training.mesh import gathered, mesh_of, replicated, split_state
from genjax.training.model import Model
from genjax.training.options import Options
from genjax.training.processes import first_alone
from genjax.training.run import RunFolder
from genjax.training.session import Session
from genjax.training.steps import Init, Step, make_step, with_ema

__all__ = ["Keys", "Run", "Trained", "examples", "make_optimizer", "open_run"]

MAY_DIFFER = (
    *("out", "resume", "download", "checkpoint_seconds", "tensorboard"),
    *("mesh", "coordinator", "num_processes", "process"),
)
NUM_FIRST = 10_000
"""Training examples that a data-dependent initialisation sees."""


class Keys(NamedTuple):
    """Where all randomness of a run comes from: one root, the seed's key, and a child of it for each purpose.

    Args:
        init: one per seed, `[s]`.
        train: one per seed, `[s]`.
        validate: the same at every validation and for every seed, so that validations compare.
        measure: what is measured on test data.
        draw: pictures and what else a script draws.
    """

    init: Key[Array, " s"]
    train: Key[Array, " s"]
    validate: PRNGKeyArray
    measure: PRNGKeyArray
    draw: PRNGKeyArray


class Trained(NamedTuple):
    """The outcome of training, all seeds.

    Args:
        params: the parameters that validation chose; every leaf has a leading axis of seeds.
        state: of training, at its end, as the model's own steps carry it.
        selected_step: the step they are of, one per seed.
        seconds: wall time of training, compilation included.
        steps_per_second: of all seeds side by side.
    """

    params: PyTree[Array]
    state: Any
    selected_step: list[int]
    seconds: float
    steps_per_second: float

    @property
    def num_params(self) -> int:
        """Parameters of one seed."""
        return sum(math.prod(leaf.shape[1:]) for leaf in jax.tree.leaves(self.params))

    @property
    def first(self) -> PyTree[Array]:
        """The parameters of the first seed."""
        return jax.tree.map(lambda leaf: leaf[0], self.params)


@dataclass(frozen=True)
class Run:
    """A run that is under way.

    Args:
        folder: where it lives.
        options: its configuration.
    """

    folder: RunFolder
    options: Options

    @property
    def keys(self) -> Keys:
        """The keys of the run, by purpose."""
        return self.keys_of("")

    def keys_of(self, name: str) -> Keys:
        """The keys of one model, where a run trains several."""
        root = jax.random.fold_in(jax.random.key(self.options.seed), zlib.crc32(name.encode()))
        init, train, validate, measure, draw = (jax.random.fold_in(root, i) for i in range(5))
        per_seed = partial(jax.random.split, num=self.options.seeds)
        return Keys(per_seed(init), per_seed(train), validate, measure, draw)

    def train(self, model: Model, data: Dataset, *, name: str = "") -> Trained:
        """Train a model from every seed, with validation, checkpoints, progress and a way to stop.

        Args:
            model: what to train.
            data: the data set.
            name: of the model, where a run trains several.

        Returns:
            `Trained`.
        """
        options, keys = self.options, self.keys_of(name)
        init_state, step = _steps(model, options)
        first = jnp.asarray(evenly_spaced(data.train, NUM_FIRST))

        def begin(key: PRNGKeyArray) -> Any:
            key_init, key_data = jax.random.split(key)
            x = jax.vmap(model.view.observe)(jax.random.split(key_data, len(first)), first)
            return init_state(model.init(key_init, x))

        def begin_all(keys: Key[Array, " s"]) -> Progress:
            return split_state(start(jax.vmap(begin)(keys)), leading=1)

        started = time.perf_counter()
        session = Session(
            self.folder,
            num_steps=options.steps,
            checkpoint_every=options.checkpoint_seconds,
            tensorboard=options.tensorboard,
            name=name,
        )
        mesh = mesh_of(options.mesh, options.batch_size)
        with (
            session,
            contextlib.nullcontext() if mesh is None else jax.set_mesh(mesh),
            _precision(options.precision),
        ):
            keys_init = replicated(keys.init)
            progress = compiled(begin_all, keys_init)(keys_init)
            if options.resume:
                progress = session.resume(progress)
            first_step = int(progress.state.step.max())
            progress = train(
                replicated(keys.train),
                step,
                progress,
                replicated(jax.tree.map(jnp.asarray, examples(model, data, "train"))),
                model.validate or partial(_mean_loss, model, keys.validate),
                replicated(jax.tree.map(jnp.asarray, examples(model, data, "validation"))),
                num_steps=options.steps,
                batch_size=options.batch_size,
                validate_every=options.validate_every,
                log_every=log_period(options.validate_every),
                steps_per_call=model.steps_per_call,
                patience=options.patience,
                after_chunk=session.after_chunk,
            )
        seconds = time.perf_counter() - started
        progress = gathered(progress)
        return Trained(
            progress.selected.params,
            progress.state,
            progress.selected.step.tolist(),
            seconds,
            (int(progress.state.step.max()) - first_step) / seconds,
        )


def open_run(family: str, options: Options, data: Dataset) -> Run:
    """Make the run folder, or reopen the one to resume.

    Args:
        family: the recipe's name.
        options: the configuration.
        data: the data; their checksums go into the provenance.

    Raises:
        UsageError: `--resume` finds no run, or one of another configuration or of other data.
        RunError: the folder is in use or cannot be written.
    """
    mesh_of(options.mesh, options.batch_size)  # whose faults come before a folder is made
    free = MAY_DIFFER + options.measuring
    folder = first_alone(
        lambda: (
            RunFolder.reopen(options.out, family, options, data, free=free)
            if options.resume
            else RunFolder.create(options.out, family, options, data)
        ),
        lambda: RunFolder.follow(options.out),
    )
    return Run(folder, options)


def examples(model: Model, data: Dataset, part: str) -> PyTree[np.ndarray | Array]:
    """A part of a data set as a model takes it: examples, or the pair of them and their labels."""
    stored = getattr(data, part)
    return stored if model.num_classes is None else (stored, getattr(data, f"{part}_labels"))


def make_optimizer(
    options: Options, *, learning_rate: float | None = None, b1: float = 0.9
) -> optax.GradientTransformation:
    """AdamW under a cosine schedule, with clipping and accumulation as the options say.

    Args:
        options: of the run.
        learning_rate: in place of the options' own.
        b1: decay of the average of gradients.

    Returns:
        The transformation.
    """
    updates = -(-options.steps // options.accumulate)
    chain = optax.chain(
        optax.clip_by_global_norm(options.clip),
        optax.adamw(
            optax.cosine_decay_schedule(learning_rate or options.learning_rate, updates),
            b1=b1,
            weight_decay=options.weight_decay,
        ),
    )
    if options.accumulate == 1:
        return chain
    return optax.MultiSteps(chain, options.accumulate).gradient_transformation()


def _steps(model: Model, options: Options) -> tuple[Init, Step]:
    def loss(params: PyTree[Array], key: PRNGKeyArray, batch: PyTree[Array]) -> Any:
        assert model.loss is not None
        return expectation(partial(model.loss, params))(key, batch)

    steps = model.steps or make_step(loss, make_optimizer(options))
    return with_ema(*steps, options.ema) if options.ema else steps


def _precision(name: str) -> contextlib.AbstractContextManager:
    """JAX's own switch, which networks of `nn.functional` read; the user's where it is left alone."""
    return contextlib.nullcontext() if name == "float32" else jax.default_matmul_precision(name)


def log_period(validate_every: int) -> int:
    """Steps between records: at most 100, and a divisor of the steps between validations where there is one.

    A call of each length is compiled for itself, and so all calls have one length.

    >>> log_period(150), log_period(500), log_period(37), log_period(101)
    (75, 100, 37, 100)
    """
    return max((n for n in range(10, 101) if validate_every % n == 0), default=min(100, validate_every))


def _mean_loss(model: Model, key: PRNGKeyArray, params: PyTree[Array], validation: PyTree[Array]) -> Array:
    assert model.loss is not None
    losses = map_examples(partial(model.loss, params), key, validation)
    return jnp.mean(losses[0] if isinstance(losses, tuple) else losses)

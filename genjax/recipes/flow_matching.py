"""Flow matching: a velocity from a source to data, with any coupling of the two, or its average over intervals."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, NamedTuple

from genjax.faults import UsageError
from genjax.recipes.denoiser import Denoiser, DenoiserOptions, Network, denoiser, presets, steps_per_call
from genjax.training.options import LARGEST, Bounds

if TYPE_CHECKING:
    from genjax.data import Spec
    from genjax.training import Model

TEACHER_STEPS = 20
"""Steps of Heun's rule by which a teacher makes the pairs of a reflow."""
NUM_VALIDATE = 1000
"""Validation examples that are paired with the source."""
SHARE_OF_POINTS = 0.5
"""Share of the draws with r = t, where the average velocity is the velocity itself."""


@dataclass(frozen=True)
class Config(DenoiserOptions):
    """Train a flow-matching model."""

    out: Path = Path("runs/flow-matching-ring")
    batch_size: Annotated[int, Bounds(1, 4096)] = 256
    """Training examples per step, which --coupling optimal pairs at a cost that grows with their cube."""
    source: Literal["gaussian", "checkerboard", "circle", "grid", "moons", "pinwheel", "ring", "spirals"] = (
        "gaussian"
    )
    """Where paths start: a standard Gaussian, or another set of points."""
    coupling: Literal["independent", "optimal"] = "independent"
    """How a batch of the source and one of data are paired; optimal transport makes paths straighter."""
    reflow: Path | None = None
    """Folder of a run of flow_matching.py whose paths, from start to end, are the pairs to learn from."""
    objective: Literal["velocity", "average"] = "velocity"
    """Learn the velocity, or its average over any interval, which one step of sampling can cross (mean flow)."""
    sampler: Literal["euler", "heun"] = "heun"
    """Rule of a sampling step; an average velocity takes its own steps."""
    likelihood_examples: Annotated[int, Bounds(0, LARGEST)] = 1000
    """Test examples, evenly spaced, whose likelihood is measured, from a Gaussian source: of points by the ODE, of
    images by the variational bound."""
    measuring: ClassVar[tuple[str, ...]] = (*DenoiserOptions.measuring, "sampler", "likelihood_examples")


PRESETS = presets(Config(), "flow-matching")


class Paths(NamedTuple):
    """The way from a source to data.

    Args:
        made: the network.
        start: `start(key)`, a draw of the source in the units of the network.
        end: `end(params, noise, label, *, scale, num_steps)`, where the path from there ends.
        velocity: `velocity(params, label) -> fn(x, t)`.
    """

    made: Denoiser
    start: Callable
    end: Callable
    velocity: Callable


def paths(config: Config, data: "Spec", network: Network | None = None) -> Paths:
    """The paths of a configuration."""
    import jax
    import jax.numpy as jnp

    from genjax import flow_matching
    from genjax.data import DENSITIES
    from genjax.recipes.diffusion import sampler_of

    average = config.objective == "average"
    if config.source != "gaussian" and data.num_levels is not None:
        raise UsageError(f"--source {config.source} holds points; {data.name} holds images")
    made = denoiser(config, data, num_times=2 if average else 1, network=network)

    def start(key):
        if config.source == "gaussian":
            return jax.random.normal(key, made.view.shape)
        return DENSITIES[config.source].sample(key, 1)[0] / config.scale

    def end(params, noise, label=None, *, scale=config.guidance, num_steps=config.sampling_steps):
        network = made.guided(params, label, scale)
        if not average:
            return flow_matching.sample(
                network, noise, num_steps=num_steps, sampler=sampler_of(config.sampler)
            )
        times = jnp.linspace(1.0, 0.0, num_steps + 1)
        step = lambda x, ends: (x - (ends[0] - ends[1]) * network(x, ends[1], ends[0]), None)
        return jax.lax.scan(step, noise, (times[:-1], times[1:]))[0]

    def velocity(params, label=None):
        network = made.network(params, label)
        return (lambda x, t: network(x, t, t)) if average else network

    return Paths(made, start, end, velocity)


def teacher(config: Config, data: "Spec") -> Callable:
    """`teacher(noise) -> x0`: where the paths of the run in --reflow end, of its first seed.

    Raises:
        UsageError: there is no such run, or it is of other data, of another source or scale, or shown labels.
    """
    import jax

    from genjax.recipes.from_run import rebuild

    assert config.reflow is not None
    if config.coupling == "optimal":
        raise UsageError("--reflow has pairs of its own; leave --coupling at independent")
    if config.conditional:
        raise UsageError("--reflow makes pairs without labels; leave --conditional out")
    rebuilt = rebuild(config.reflow)
    other, same = rebuilt.config, ("data", "source", "scale", "conditional")
    if not isinstance(other, Config) or any(getattr(other, name) != getattr(config, name) for name in same):
        raise UsageError(
            f"--reflow: {config.reflow} holds no flow-matching run of the same {', '.join(same)}"
        )
    params = jax.tree.map(lambda leaf: leaf[0], rebuilt.params)
    end = paths(other, data).end
    return lambda noise: end(params, noise, num_steps=TEACHER_STEPS)


def model(
    config: Config, data: "Spec", *, teacher: Callable | None = None, network: Network | None = None
) -> "Model":
    """The model of a configuration; from a Gaussian source points have a likelihood, by the ODE, and images a bound.

    Args:
        config: the configuration.
        data: what is known of the data set.
        teacher: from `teacher`, for training with --reflow; a model that only samples needs none.
        network: in place of the configuration's own; `genjax sample` cannot build it again.

    Returns:
        `Model`.

    Raises:
        UsageError: options that contradict each other or the data.
    """
    import jax
    import jax.numpy as jnp

    from genjax import Kind, diffusion, expectation, flow_matching, metrics
    from genjax.recipes.diffusion import sampler_of
    from genjax.recipes.grey_levels import levels_bound
    from genjax.training import LogProb, Model, make_optimizer, make_step

    made, start, end, velocity = paths(config, data, network)
    view, average = made.view, config.objective == "average"

    def one(params, key, x0, noise, label=None):
        key_drop, key_pair, key_equal = jax.random.split(key, 3)
        label = None if label is None else made.dropped(key_drop, label)
        network = made.network(params, label)
        if not average:
            return flow_matching.conditional_flow_matching(key_pair, network, x0, noise)
        r, t = jnp.sort(jax.random.uniform(key_pair, (2,)))
        r = jnp.where(jax.random.bernoulli(key_equal, SHARE_OF_POINTS), t, r)
        return flow_matching.mean_flow_error(network, x0, r, t, noise)

    def paired(key, batch):
        """Data and the source, `[n, ...]` each, in pairs."""
        stored = batch[0] if made.num_classes else batch
        key_data, key_source = jax.random.split(key)
        noise = jax.vmap(start)(jax.random.split(key_source, len(stored)))
        if config.reflow:
            assert teacher is not None
            return jax.vmap(teacher)(noise), noise
        x0 = jax.vmap(view.observe)(jax.random.split(key_data, len(stored)), stored)
        if config.coupling == "optimal":
            noise = noise[flow_matching.minibatch_ot_pairing(x0, noise)]
        return x0, noise

    def loss(params, key, batch):
        key_pairs, key_times = jax.random.split(key)
        labels = (batch[1],) if made.num_classes else ()
        return expectation(partial(one, params))(key_times, *paired(key_pairs, batch), *labels)

    def sample(params, key, label=None, *, scale=config.guidance, num_steps=config.sampling_steps):
        return end(params, start(key), label, scale=scale, num_steps=num_steps)

    def log_prob(params, key, stored):
        nats = flow_matching.log_prob(key, velocity(params), view.observe(key, stored))
        return nats - data.num_dims * jnp.log(config.scale)  # of the points themselves

    def validate(params, validation):
        if (
            average
        ):  # whose objective has a gradient and no value: how far one step leads from validation data
            return one_step_distance(params, validation)
        return loss(params, jax.random.key(0), jax.tree.map(lambda leaf: leaf[:NUM_VALIDATE], validation))

    def one_step_distance(params, validation):
        key_data, key_source, key_lines = jax.random.split(jax.random.key(0), 3)
        stored, *labels = jax.tree.map(
            lambda leaf: leaf[:NUM_VALIDATE], validation if made.num_classes else (validation,)
        )
        keys = jax.random.split(key_source, len(stored))
        fake = jax.vmap(lambda key, *label: view.show(sample(params, key, *label, num_steps=1)))(
            keys, *labels
        )
        observe = lambda key, stored: view.show(view.observe(key, stored))
        real = jax.vmap(observe)(jax.random.split(key_data, len(stored)), stored)
        return metrics.sliced_wasserstein(key_lines, real, fake)

    likelihood = None
    if data.num_levels is not None:
        prediction = diffusion.Prediction.VELOCITY
        bound = levels_bound(made, velocity, diffusion.rectified(), prediction, data.num_levels)
        likelihood = LogProb(bound, Kind.LOWER_BOUND, config.likelihood_examples)
    elif config.source == "gaussian" and not made.num_classes:
        likelihood = LogProb(log_prob, Kind.EXACT, config.likelihood_examples)
    pairs = "reflow" if config.reflow else f"{config.coupling} coupling"
    num_calls = (
        config.sampling_steps if average else sampler_of(config.sampler).num_calls(config.sampling_steps)
    )
    return Model(
        name=f"flow matching ({config.objective}, {pairs})",
        view=view,
        init=lambda key, x: made.init(key),
        sample=sample,
        log_probs={"log p(x)": likelihood} if likelihood and config.likelihood_examples else {},
        steps=make_step(loss, make_optimizer(config)),
        validate=validate,
        calls=made.calls * num_calls,
        num_classes=made.num_classes or None,
        steps_per_call=steps_per_call(config),
    )

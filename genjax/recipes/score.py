"""Noise-conditional score networks: denoising score matching at many levels, sampled by annealed Langevin chains."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from genjax.faults import UsageError
from genjax.recipes.denoiser import DenoiserOptions, Network, denoiser, presets, steps_per_call
from genjax.training.options import Bounds, Count, Positive

if TYPE_CHECKING:
    from jaxtyping import Array, Float

    from genjax.data import Spec
    from genjax.training import Model


@dataclass(frozen=True)
class Config(DenoiserOptions):
    """Train the score of the data with noise of many levels."""

    out: Path = Path("runs/score-ring")
    levels: Annotated[int, Bounds(1, 10_000)] = 20
    """Noise levels, evenly spaced in their logarithms."""
    sigma_max: Positive = 3.0
    """The largest noise level, about the largest distance between data, in units of the scaled data."""
    sigma_min: Positive = 0.02
    """The least noise level, which samples keep up to a last denoising."""
    step_size: Positive = 0.1
    """A Langevin step, as a multiple of the squared noise level."""
    sampling_steps: Count = 20


PRESETS = presets(Config(), "score", sigma_max=10.0, sigma_min=0.05)


def sigmas_of(config: Config) -> "Float[Array, ' k']":
    """The falling noise levels of a configuration."""
    import jax.numpy as jnp

    if config.sigma_min >= config.sigma_max:
        raise UsageError(
            f"--sigma-min must be below --sigma-max; got {config.sigma_min:g} and {config.sigma_max:g}"
        )
    return jnp.geomspace(config.sigma_max, config.sigma_min, config.levels)


def score_of(config: Config, network):
    """A network of (x, time) as a score `(x, sigma) -> s`: what it says is about 1 in size at every level."""
    import jax.numpy as jnp

    lowest, highest = jnp.log(config.sigma_min), jnp.log(config.sigma_max)

    def score(x, sigma):
        time = (jnp.log(sigma) - lowest) / (highest - lowest)
        return network(x / jnp.sqrt(1 + sigma**2), time) / sigma

    return score


def model(config: Config, data: "Spec", *, network: Network | None = None) -> "Model":
    """The model of a configuration: its samples are those of chains, and it has no likelihood.

    Args:
        config: the configuration.
        data: what is known of the data set.
        network: in place of the configuration's own; `genjax sample` cannot build it again.

    Returns:
        `Model`.

    Raises:
        UsageError: options that contradict each other or the data.
    """
    import jax

    from genjax import score
    from genjax.training import Model

    made, sigmas = denoiser(config, data, network=network), sigmas_of(config)
    view = made.view

    def loss(params, key, stored, levels=sigmas):
        key_data, key_drop, key_loss = jax.random.split(key, 3)
        example, label = stored if made.num_classes else (stored, None)
        label = None if label is None else made.dropped(key_drop, label)
        score_fn = score_of(config, made.network(params, label))
        return score.multi_level_score_matching(key_loss, score_fn, view.observe(key_data, example), levels)

    def sample(params, key, label=None, *, scale=config.guidance):
        """Chains through all levels, and a last step to the mean of the data given the state."""
        key_start, key_chain = jax.random.split(key)
        score_fn = score_of(config, made.guided(params, label, scale))
        x = sigmas[0] * jax.random.normal(key_start, view.shape)
        step_size = config.step_size * sigmas[-1] ** 2
        options = {"step_size": step_size, "num_steps": config.sampling_steps}
        x = score.annealed_langevin(key_chain, score_fn, x, sigmas, **options)
        return x + sigmas[-1] ** 2 * score_fn(x, sigmas[-1])

    return Model(
        name=f"score network ({config.levels} noise levels)",
        view=view,
        init=lambda key, x: made.init(key),
        sample=sample,
        loss=loss,
        calls=made.calls * (config.levels * config.sampling_steps + 1),
        num_classes=made.num_classes or None,
        steps_per_call=steps_per_call(config),
    )

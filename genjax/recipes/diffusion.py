"""Diffusion: one network of an example and a time, any schedule and any target."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from genjax.faults import UsageError
from genjax.recipes.denoiser import Denoiser, DenoiserOptions, Network, denoiser, presets, steps_per_call
from genjax.training.options import LARGEST, Bounds

if TYPE_CHECKING:
    from genjax.data import Spec
    from genjax.training import Model


@dataclass(frozen=True)
class Config(DenoiserOptions):
    """Train a diffusion model."""

    out: Path = Path("runs/diffusion-ring")
    schedule: Literal["linear", "cosine", "vp", "rectified"] = "vp"
    """Noise schedule: discrete (linear, cosine) or continuous; rectified is flow matching on straight lines."""
    prediction: Literal["noise", "data", "v", "velocity"] = "v"
    """What the network predicts, and what it is compared with."""
    sampler: Literal["ancestral", "ddim", "heun", "dpm"] = "heun"
    """Rule of a sampling step; dpm is the multistep solver DPM-Solver++ (2M)."""
    rules: bool = False
    """Also measure every rule of sampling at several numbers of network calls."""
    likelihood_examples: Annotated[int, Bounds(0, LARGEST)] = 1000
    """Test examples, evenly spaced, whose likelihood is measured: of points by the ODE (continuous schedules), of
    images by the variational bound."""
    measuring: ClassVar[tuple[str, ...]] = (
        *DenoiserOptions.measuring,
        "sampler",
        "rules",
        "likelihood_examples",
    )


PRESETS = presets(Config(), "diffusion", schedule="cosine", sampler="dpm")


def schedule_of(config: Config) -> Any:
    """The noise schedule of a configuration."""
    from genjax import diffusion

    return {
        "linear": diffusion.linear_schedule,
        "cosine": diffusion.cosine_schedule,
        "vp": diffusion.variance_preserving,
        "rectified": diffusion.rectified,
    }[config.schedule]()


def sampler_of(name: str) -> Any:
    """The rule of a sampling step, by its name."""
    from genjax import diffusion

    return {
        "ancestral": diffusion.ancestral,
        "ddim": diffusion.ddim,
        "heun": diffusion.heun,
        "dpm": diffusion.dpm_solver_pp_2m,
        "euler": diffusion.euler,
    }[name]()


def network_of(config: Config, data: "Spec", network: Network | None = None) -> Denoiser:
    """The network of a configuration, as functions of the schedule's own time."""
    import jax.numpy as jnp

    discrete = config.schedule in ("linear", "cosine")
    if discrete and config.prediction == "velocity":
        raise UsageError("--prediction velocity needs a continuous schedule; --prediction v is its like")
    if config.schedule == "rectified" and config.prediction == "noise":
        raise UsageError("--prediction noise says nothing of the data at the start of --schedule rectified")
    if discrete and config.sampling_steps > 1000:
        raise UsageError(f"--sampling-steps is at most 1000 on this schedule; got {config.sampling_steps}")
    made, last = denoiser(config, data, network=network), 1000.0 if discrete else 1.0
    timed = lambda fn: lambda x, t: fn(x, jnp.asarray(t, x.dtype) / last)
    return made._replace(
        network=lambda params, label: timed(made.network(params, label)),
        guided=lambda params, label, scale: timed(made.guided(params, label, scale)),
    )


def model(config: Config, data: "Spec", *, network: Network | None = None) -> "Model":
    """The model of a configuration; points have a likelihood where the schedule is continuous, images a bound.

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
    import jax.numpy as jnp

    from genjax import Kind, diffusion
    from genjax.recipes.grey_levels import levels_bound
    from genjax.training import LogProb, Model

    made, schedule = network_of(config, data, network), schedule_of(config)
    prediction, sampler = diffusion.Prediction(config.prediction), sampler_of(config.sampler)
    view = made.view

    def loss(params, key, stored, time_sampler=None):
        key_data, key_drop, key_loss = jax.random.split(key, 3)
        example, label = stored if made.num_classes else (stored, None)
        label = None if label is None else made.dropped(key_drop, label)
        x0, network = view.observe(key_data, example), made.network(params, label)
        options = {"prediction": prediction, "time_sampler": time_sampler}
        return diffusion.denoising_loss(key_loss, network, schedule, x0, **options)

    def sample(params, key, label=None, *, scale=config.guidance, **options):
        key_start, key_steps = jax.random.split(key)
        x_T = diffusion.prior_sample(key_start, schedule, view.shape)
        options = {"num_steps": config.sampling_steps, "sampler": sampler, "prediction": prediction} | options
        return diffusion.sample(key_steps, made.guided(params, label, scale), schedule, x_T, **options)

    def log_prob(params, key, stored):
        x0 = view.observe(key, stored)
        nats = diffusion.log_prob(key, made.network(params, None), schedule, x0, prediction=prediction)
        return nats - data.num_dims * jnp.log(config.scale)  # of the points themselves

    likelihood = None
    if data.num_levels is not None:
        bound = levels_bound(made, made.network, schedule, prediction, data.num_levels)
        likelihood = LogProb(bound, Kind.LOWER_BOUND, config.likelihood_examples)
    elif config.schedule in ("vp", "rectified") and not made.num_classes:
        likelihood = LogProb(log_prob, Kind.EXACT, config.likelihood_examples)
    return Model(
        name=f"diffusion ({config.schedule}, {config.prediction})",
        view=view,
        init=lambda key, x: made.init(key),
        sample=sample,
        loss=loss,
        log_probs={"log p(x)": likelihood} if likelihood and config.likelihood_examples else {},
        calls=made.calls * sampler.num_calls(config.sampling_steps),
        num_classes=made.num_classes or None,
        steps_per_call=steps_per_call(config),
    )

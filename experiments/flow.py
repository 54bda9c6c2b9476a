"""Train a normalizing flow by maximum likelihood, and compare it with the truth where that is known.

    python experiments/flow.py circle            # any toy density: about a minute a seed on 2 cores
    python experiments/flow.py digits            # Glow on digits of 8×8 pixels
    python experiments/flow.py mnist             # MAF in logit space; needs GENJAX_DATA or --download
    python experiments/flow.py ring --model spline-coupling
    python experiments/flow.py ring --steps 20 --seeds 1      # a tiny run, in seconds

Writes a run folder: config.json.jsonl, checkpoints/, summary.json, pictures and report.html.
"""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from genjax.training.options import Options, run_script


@dataclass(frozen=True)
class Config(Options):
    """Train a normalizing flow."""

    data: Literal[
        "checkerboard", "circle", "grid", "moons", "pinwheel", "ring", "spirals", "digits", "mnist"
    ] = "circle"
    """What to learn."""
    model: Literal["spline", "spline-coupling", "realnvp", "maf", "glow", "continuous"] = "spline"
    """Autoregressive splines, coupled splines, RealNVP, MAF, Glow (images alone), or a continuous flow."""
    out: Path = Path("runs/flow-circle")
    steps: int = 8000
    batch_size: int = 512
    learning_rate: float = 3e-3
    clip: float = 5.0
    ema: float = 0.99
    validate_every: int = 500
    layers: int = 4
    """Layers of the flow, or steps in a scale of Glow."""
    hidden: tuple[int, ...] = (64, 64)
    """Widths of the conditioners' hidden layers; the first is the channels of Glow's."""
    bins: int = 16
    """Bins of a spline."""
    bound: float = 4.0
    """Half the side of the box outside which splines are the identity; pictures and integrals cover it."""
    squeeze: float = 1e-6
    """Images are mapped to the reals by the logit of λ + (1 − 2λ) u; this is λ."""


BAND = 0.2
"""Half the width of the band around the circle whose mass is reported."""


def toy(name, description, **options):
    return description, replace(Config(), data=name, out=Path(f"runs/flow-{name}"), **options)


PRESETS = {
    "checkerboard": toy("checkerboard", "The dark squares of a board", bound=5.0),
    "circle": toy("circle", "A circle of radius 2 with radial noise"),
    "grid": toy("grid", "25 Gaussians on a grid", bound=6.0),
    "moons": toy("moons", "Two moons"),
    "pinwheel": toy("pinwheel", "Bent arms"),
    "ring": toy("ring", "Eight Gaussians on a ring of radius 2"),
    "spirals": toy("spirals", "Two spirals", bound=5.0),
    "digits": toy(
        "digits",
        "Digits of 8×8 pixels, 17 grey levels: Glow",
        model="glow",
        steps=3000,
        batch_size=128,
        learning_rate=1e-3,
        hidden=(32,),
        validate_every=100,
    ),
    "mnist": toy(
        "mnist",
        "MNIST with uniform dequantisation: MAF in logit space",
        model="maf",
        batch_size=100,
        learning_rate=1e-4,
        layers=5,
        hidden=(512, 512),
        validate_every=1000,
    ),
}


def main(config: Config) -> None:
    import jax
    import jax.numpy as jnp

    from genjax import Kind, dequantize, flow, nn
    from genjax.training import (
        compare_samples,
        evenly_spaced,
        likelihood_entry,
        map_seeds,
        open_run,
        timed,
        train_seeds,
    )
    from genjax.training.run import UsageError
    from genjax.training.task import TASKS

    task = TASKS[config.data](config.download)
    dataset, dims = task.dataset, task.dataset.num_dims
    images = task.density is None
    if config.model == "glow" and not images:
        raise UsageError("--model glow needs images; a toy density has points")
    shape = (*dataset.event_shape, 1) if config.model == "glow" else (dims,)
    run = open_run(config, dataset, "layers", "bins", "bound", "squeeze")

    def glow(key):
        height, width = dataset.event_shape
        sizes = {"num_scales": 2, "num_steps": config.layers, "channels": config.hidden[0]}
        return nn.glow(key, (height, width, 1), **sizes)

    sizes = {"num_layers": config.layers, "hidden": config.hidden}
    splines = {"num_bins": config.bins, "bound": config.bound}
    build = {
        "spline": lambda key: nn.spline_autoregressive_flow(key, dims, **sizes, **splines),
        "spline-coupling": lambda key: nn.spline_coupling_flow(key, dims, **sizes, **splines),
        "realnvp": lambda key: nn.real_nvp(key, dims, **sizes),
        "maf": lambda key: nn.maf(key, dims, **sizes),
        "glow": glow,
        "continuous": lambda key: nn.continuous_flow(key, dims, hidden=config.hidden),
    }[config.model]

    def observe(key, stored):
        """One example as the flow sees it: a point, or pixels in (0, 1) with uniform noise below each level."""
        if not images:
            return stored
        noise = jax.random.uniform(key, stored.shape)
        assert dataset.num_levels is not None
        return dequantize(stored, noise, num_levels=dataset.num_levels).reshape(shape)

    def loss(bijector, key, stored):
        return flow.negative_log_likelihood(bijector, observe(key, stored))

    head = jnp.asarray(dataset.train[:512])

    def init(key):
        """The flow is its own parameters; for images the Jacobian of the logit is in it, once."""
        key_net, key_data = jax.random.split(key)
        net = build(key_net)
        bijector = flow.Chain((net, flow.Sigmoid(config.squeeze))) if images else net
        return flow.fit_actnorm(bijector, jax.vmap(observe)(jax.random.split(key_data, len(head)), head))

    # Gradients of convolutions in a loop are many times slower on a CPU.
    single_steps = config.model == "glow" and jax.default_backend() == "cpu"
    trained = train_seeds(
        run,
        config,
        init,
        loss,
        dataset.train,
        dataset.validation,
        steps_per_call=1 if single_steps else None,
    )
    flows = trained.params

    # Everything below is measured on the test set, with the parameters that validation chose.
    test = jnp.asarray(dataset.test)
    key_test = jax.random.split(jax.random.key(config.seed + 2000), config.seeds)
    print(f"measuring {len(test)} test examples", flush=True)
    log_probs = -map_seeds(loss, flows, key_test, test)

    num_samples = 200 if images else 2000

    @jax.jit
    @jax.vmap
    def draw(bijector, key):
        noise = jax.random.normal(key, (num_samples, *shape))
        return jax.vmap(lambda z: bijector.forward(z)[0])(noise)

    samples, seconds = timed(draw, flows, key_test)
    flat = lambda x: x.reshape(*x.shape[: x.ndim - len(shape)], dims)
    keys_real = jax.random.split(jax.random.key(config.seed + 3000), len(test))
    real = evenly_spaced(flat(jax.vmap(observe)(keys_real, test)), 2000)

    name = "log p(x) of dequantised pixels" if images else "log p(x)"
    entry = likelihood_entry(log_probs, num_dims=dims, kind=Kind.EXACT, num_levels=dataset.num_levels)
    summary = {
        "schema_version": 1,
        "model": f"normalizing flow, {config.model}",
        "data": dataset.name,
        "seeds": config.seeds,
        "objective": {"name": "negative log-likelihood", "kind": "the exact value"},
        "likelihood": {name: entry},
        **compare_samples(flat(samples), real),
        "selected_step": trained.selected_step,
        "cost": trained.cost(
            calls=dims if config.model in ("spline", "maf") else 1,
            sampling_seconds=seconds,
            num_samples=config.seeds * num_samples,
        ),
    }
    pictures = draw_pictures(run, task, flat(samples[0]), real)
    if not images:
        summary["truth"], caption = compare(run, task.density, config, flows, log_probs, test, flat(samples))
        pictures |= caption
    run.write_json("summary.json", summary)
    report(run, summary, pictures)


def compare(run, density, config, flows, log_probs, test, samples):
    """The learned densities beside the true one, on one grid; returns numbers and the picture's caption."""
    import jax
    import jax.numpy as jnp

    from genjax import flow
    from genjax.training import figures, over_seeds

    num_cells = 400
    cell = 2 * config.bound / num_cells
    centres = -config.bound + cell * (jnp.arange(num_cells) + 0.5)
    grid = jnp.stack(jnp.meshgrid(centres, centres), axis=-1).reshape(-1, 2)
    on_grid = lambda log_prob: jnp.exp(jax.lax.map(log_prob, grid, batch_size=4000))
    true = jax.jit(lambda: on_grid(density.log_prob))()
    learned = jax.jit(lambda flows: jax.lax.map(lambda f: on_grid(partial(flow.log_prob, f)), flows))(flows)
    true_log_probs = jax.jit(jax.vmap(density.log_prob))(test)
    gaps = true_log_probs[None] - log_probs
    numbers = {
        "nll_of_the_truth_nats": -float(true_log_probs.mean()),
        "entropy_gap_nats": over_seeds(gaps.mean(1)),
        "standard_error_of_the_gap_over_test": (gaps.std(1, ddof=1) / len(test) ** 0.5).tolist(),
        "mass_on_the_grid": over_seeds(learned.sum(1) * cell**2),
        "mass_of_the_truth_on_the_grid": float(true.sum() * cell**2),
    }
    if config.data == "circle":
        in_band = lambda x: jnp.abs(jnp.sqrt(jnp.sum(x**2, axis=-1)) - density.radius) <= BAND
        numbers["ring_mass"] = {
            "band": BAND,
            "share_of_samples": over_seeds(in_band(samples).mean(1)),
            "share_of_density": over_seeds((learned * in_band(grid)).sum(1) * cell**2),
            "share_of_the_truth": float((true * in_band(grid)).sum() * cell**2),
        }
    picture = lambda values: values.reshape(num_cells, num_cells)
    figures.densities(
        run.path / "density.png",
        {"true density": picture(true), "learned density": picture(learned[0])},
        limit=config.bound,
        points=samples[0],
    )
    return numbers, {"density.png": "The true and the learned density on one colour scale, and samples."}


def draw_pictures(run, task, samples, real) -> dict[str, str]:
    """Draw the first seed; returns each picture's caption."""
    from genjax.training.report import draw_curves

    captions = draw_curves(run, ylabel="negative log-likelihood / nats")
    if task.density is None:
        task.draw(
            run.path / "samples.png", 2 * samples[:50] - 1 if task.low else samples[:50], title="Samples"
        )
        captions["samples.png"] = "Samples: pixels in (0, 1), not rounded to levels."
    return captions


def report(run, summary, pictures) -> None:
    """Write the page and print its first lines."""
    from genjax.training import describe
    from genjax.training.report import Entry, cost_entry, likelihood_rows, sample_entries, write_report

    likelihoods = likelihood_rows(summary)
    truth = summary.get("truth")
    if truth:
        gap = describe(truth["entropy_gap_nats"], " nats")
        print(f"entropy gap to the true density: {gap}")
        likelihoods += (
            ("of the true density", f"{truth['nll_of_the_truth_nats']:.4f} nats"),
            ("entropy gap", gap),
            ("mass on the grid", describe(truth["mass_on_the_grid"])),
        )
    if truth and "ring_mass" in truth:
        ring = truth["ring_mass"]
        shares = (
            f"{describe(ring['share_of_density'])} of the density, {describe(ring['share_of_samples'])} of samples; "
            f"truth {ring['share_of_the_truth']:.4f}"
        )
        likelihoods += ((f"mass within {ring['band']} of the circle", shares),)
        print(f"mass within {ring['band']} of the circle: {shares}")
    entries = {
        "Objective": Entry(
            "The exact negative log-likelihood, by the change of variables. Parameters were selected on validation "
            f"data; numbers are of test data, mean ± standard error over {summary['seeds']} seeds."
        ),
        "Likelihood": Entry(
            "Negative log-likelihood of test data, exact. Of dequantised pixels it is that of a density on [0, 1), "
            "with the Jacobian of the logit; its bits/dim bound those of the pixels themselves from above.",
            likelihoods,
        ),
        **sample_entries(summary),
        "Controls": Entry("None: the model is unconditional."),
        "Cost": cost_entry(summary),
        "Timesteps": Entry("Not applicable: this model has no timesteps."),
    }
    title = f"{summary['model']} on {summary['data']}".capitalize()
    write_report(run, title=title, entries=entries, figures=pictures)


if __name__ == "__main__":
    run_script(main, PRESETS)

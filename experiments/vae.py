"""Train a variational autoencoder, measure it and draw it.

    python experiments/vae.py digits             # a minute on 2 cores; test bound about 87.5 nats
    python experiments/vae.py mnist              # dynamic binarisation, six minutes; needs GENJAX_DATA or --download
    python experiments/vae.py binarized-mnist    # the canonical static binarisation
    python experiments/vae.py circle             # points in the plane
    python experiments/vae.py digits --conv --hidden 16 32     # convolutions
    python experiments/vae.py digits --steps 20 --evidence-samples 10     # a tiny run, in seconds

Writes a run folder: config.json, metrics.jsonl, checkpoints/, summary.json, pictures and report.html.
"""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from genjax.training.options import Options, run_script


@dataclass(frozen=True)
class Config(Options):
    """Train a variational autoencoder."""

    data: Literal["digits", "mnist", "binarized-mnist", "circle"] = "digits"
    """What to learn."""
    out: Path = Path("runs/vae-digits")
    weight_decay: float = 0.1
    beta: float = 1.0
    """Weight of the KL."""
    num_samples: int = 1
    """Latent draws an example and step."""
    latents: int = 16
    """Dimensions of the latent."""
    hidden: tuple[int, ...] = (128, 128)
    """Widths of the encoder's hidden layers, or channels of its convolutions; the decoder mirrors them."""
    conv: bool = False
    """Convolutions instead of dense layers; each halves the image."""
    evidence_samples: int = 5000
    """Importance samples of the test likelihood."""
    evidence_examples: int = 300
    """Test examples the importance-weighted likelihood is averaged over, evenly spaced."""


IMAGES = Config(
    steps=10_000, hidden=(400,), latents=32, learning_rate=2e-3, weight_decay=1e-4, validate_every=1000
)

PRESETS = {
    "digits": ("Digits of 8×8 pixels, 17 grey levels", Config()),
    "mnist": (
        "MNIST, binarised anew at every step",
        replace(IMAGES, data="mnist", out=Path("runs/vae-mnist")),
    ),
    "binarized-mnist": (
        "MNIST in its canonical static binarisation",
        replace(IMAGES, data="binarized-mnist", out=Path("runs/vae-binarized-mnist")),
    ),
    "circle": (
        "A noisy circle in the plane",
        Config(data="circle", out=Path("runs/vae-circle"), latents=2, weight_decay=0.0, steps=4000),
    ),
}


def main(config: Config) -> None:
    import jax
    import jax.numpy as jnp

    from genjax import Kind, metrics, nn, vae
    from genjax.training import (
        evenly_spaced,
        likelihood_entry,
        map_seeds,
        open_run,
        over_seeds,
        timed,
        train_seeds,
    )
    from genjax.training.run import UsageError
    from genjax.training.task import TASKS

    task = TASKS[config.data](config.download)
    dataset, dims = task.dataset, task.dataset.num_dims
    try:
        sizes = (config.hidden, config.latents, task.head)
        networks = (
            nn.conv_latent_model(dataset.event_shape, *sizes)
            if config.conv
            else nn.latent_model(dims, *sizes)
        )
    except ValueError as error:
        raise UsageError(f"--conv: {error}") from error
    run = open_run(config, dataset, "num_samples", "latents", "evidence_samples", "evidence_examples")

    def model(params):
        return partial(networks.encode, params), partial(networks.log_likelihood, params)

    # The loss of one example; jax.vmap does the rest.
    def loss(params, key, stored):
        key_data, key_noise = jax.random.split(key)
        x = task.observe(key_data, stored)
        options = {"beta": config.beta, "num_samples": config.num_samples}
        return vae.negative_elbo(key_noise, *model(params), x, **options)

    # Gradients of convolutions in a loop are many times slower on a CPU.
    single_steps = config.conv and jax.default_backend() == "cpu"
    trained = train_seeds(
        run,
        config,
        networks.init,
        loss,
        dataset.train,
        dataset.validation,
        steps_per_call=1 if single_steps else None,
    )
    params = trained.params

    # Everything below is measured on the test set, with the parameters that validation chose.
    test = jnp.asarray(dataset.test)
    weighed = evenly_spaced(test, config.evidence_examples)
    key_test = jax.random.split(jax.random.key(config.seed + 2000), config.seeds)

    def bound(params, key, stored):
        """The two terms of the bound, and the code, of one test example."""
        key_data, key_noise = jax.random.split(key)
        x = task.observe(key_data, stored)
        encode, log_likelihood = model(params)
        mean, log_var = encode(x)
        noise = jax.random.normal(key_noise, mean.shape)
        return vae.elbo_terms(encode, log_likelihood, x, noise), mean, log_var

    def evidence(params, key, stored):
        key_data, key_noise = jax.random.split(key)
        x = task.observe(key_data, stored)
        return vae.log_evidence(key_noise, *model(params), x, num_samples=config.evidence_samples)

    print(
        f"measuring {len(test)} test examples, {len(weighed)} of them "
        f"with {config.evidence_samples} importance samples each",
        flush=True,
    )
    terms, means, log_vars = map_seeds(bound, params, key_test, test)
    log_evidence = map_seeds(evidence, params, key_test, weighed)

    # Samples: decoded means of prior draws, as many as test examples they are compared with.
    keys_real = jax.random.split(jax.random.key(config.seed + 3000), len(test))
    real = evenly_spaced(jax.vmap(task.observe)(keys_real, test).reshape(len(test), dims), 2000)

    @jax.jit
    @jax.vmap
    def draw(params, key):
        z = jax.random.normal(key, (len(real), config.latents))
        return jax.vmap(partial(networks.decode, params))(z)

    samples, seconds = timed(draw, params, key_test)
    # Data are passed, not closed over: a compiler would fold what it can compute of a constant.
    judge = lambda fake, real: (metrics.frechet_distance(fake, real), metrics.diversity(fake))
    frechet, spread = jax.jit(jax.vmap(judge, (0, None)))(samples, real)
    real_spread = jax.jit(metrics.diversity)(real)
    active = jax.jit(jax.vmap(vae.active_units))(means)
    collapsed = jax.jit(jax.vmap(vae.collapsed_units))(means, log_vars)

    entry = partial(likelihood_entry, num_dims=dims, num_levels=task.num_levels)
    weighted_name = f"importance weighted, {config.evidence_samples} samples"
    summary = {
        "schema_version": 1,
        "model": "variational autoencoder",
        "data": dataset.name,
        "seeds": config.seeds,
        "objective": {"name": "negative ELBO", "kind": "an upper bound on the negative log-likelihood"},
        "likelihood": {
            "ELBO": entry(terms.elbo, kind=Kind.LOWER_BOUND),
            weighted_name: entry(log_evidence, kind=Kind.ESTIMATE),
        },
        "rate_nats": over_seeds(terms.rate.mean(1)),
        "distortion_nats": over_seeds(terms.distortion.mean(1)),
        "latents": config.latents,
        "active_units": over_seeds(active.sum(1)),
        "collapsed_units": over_seeds(collapsed.sum(1)),
        "quality": {"frechet_distance_pixels": over_seeds(frechet), "num_samples": len(real)},
        "diversity": {
            "pairwise_distance": over_seeds(spread.pairwise_distance),
            "pairwise_distance_of_test_data": float(real_spread.pairwise_distance),
        },
        "selected_step": trained.selected_step,
        "cost": trained.cost(calls=1, sampling_seconds=seconds, num_samples=config.seeds * len(real)),
    }
    run.write_json("summary.json", summary)
    first = jax.tree.map(lambda leaf: leaf[0], params)
    pictures = draw_pictures(
        run, task, config, jax.jit(jax.vmap(partial(networks.decode, first))), real, samples[0], means[0]
    )
    report(run, summary, pictures)


def draw_pictures(run, task, config, decode, real, samples, means) -> dict[str, str]:
    """Draw the first seed; returns each picture's caption."""
    import jax.numpy as jnp

    from genjax.training import figures
    from genjax.training.report import draw_curves

    captions = draw_curves(run, ylabel="negative ELBO / nats")
    if len(task.dataset.event_shape) != 2:
        figures.scatter(run.path / "samples.png", {"test data": real, "samples (means)": samples}, limit=3.0)
        figures.scatter(
            run.path / "reconstructions.png",
            {"test data": real[:500], "reconstructions": decode(means[:500])},
            limit=3.0,
        )
        return captions | {
            "samples.png": "Test points beside decoded means of draws from the prior.",
            "reconstructions.png": "Test points beside their reconstructions.",
        }

    task.draw(run.path / "samples.png", samples[:50], title="Decoded means of draws from the prior")
    task.draw(
        run.path / "reconstructions.png",
        jnp.concatenate([real[:10], decode(means[:10])]),
        title="Test data above, reconstructions from the posterior mean below",
    )
    steps = jnp.linspace(-2.5, 2.5, 10)
    if config.latents == 2:
        codes = jnp.stack(jnp.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
        caption = "The manifold: decoded codes on a grid of the two latents, from −2.5 to 2.5."
    else:
        widest = jnp.argsort(-jnp.var(means, axis=0))[:6]
        codes = jnp.concatenate(
            [means[0] + (steps[:, None] - means[0, j]) * jnp.eye(config.latents)[j] for j in widest]
        )
        caption = (
            "Traversals: one latent a row goes from −2.5 to 2.5, the others stay at one test example's code."
        )
    task.draw(run.path / "traversal.png", decode(codes), title="Latent traversal")
    return captions | {
        "samples.png": "Decoded means of 50 draws of the prior: no pixel noise is added.",
        "reconstructions.png": "Test examples and their reconstructions.",
        "traversal.png": caption,
    }


def report(run, summary, pictures) -> None:
    """Write the page and print its first lines."""
    from genjax.training import describe
    from genjax.training.report import Entry, cost_entry, likelihood_rows, write_report

    units = summary["latents"]
    entries = {
        "Objective": Entry(
            "The negative ELBO: an upper bound on the negative log-likelihood. Parameters were selected on "
            f"validation data; numbers are of test data, mean ± standard error over {summary['seeds']} seeds."
        ),
        "Likelihood": Entry(
            "Negative log-likelihood of test data. A bound and an estimate are not the same kind of number: "
            "the estimate approaches the true value from above as its samples grow.",
            likelihood_rows(summary),
        ),
        "Quality": Entry(
            "Squared Fréchet distance between decoded means of prior draws and test data, in pixels. "
            "Means carry no pixel noise, so it is not zero even for a perfect model.",
            (("Fréchet distance", describe(summary["quality"]["frechet_distance_pixels"])),),
        ),
        "Diversity and mode collapse": Entry(
            "Mean distance between two samples beside that between two test examples; a collapsed model's is "
            "near zero. Active units follow the data, collapsed ones are the prior.",
            (
                ("pairwise distance of samples", describe(summary["diversity"]["pairwise_distance"])),
                ("of test data", f"{summary['diversity']['pairwise_distance_of_test_data']:.4g}"),
                ("active units", f"{describe(summary['active_units'])} of {units}"),
                ("collapsed units", f"{describe(summary['collapsed_units'])} of {units}"),
                ("rate (KL)", describe(summary["rate_nats"], " nats")),
                ("distortion", describe(summary["distortion_nats"], " nats")),
            ),
        ),
        "Controls": Entry("Latent traversals stand among the pictures. The model is unconditional."),
        "Cost": cost_entry(summary),
        "Timesteps": Entry("Not applicable: this model has no timesteps, and samples in one step."),
    }
    title = f"Variational autoencoder on {summary['data']}"
    write_report(run, title=title, entries=entries, figures=pictures)


if __name__ == "__main__":
    run_script(main, PRESETS)

"""Train a variational autoencoder, measure it and draw it.

    python experiments/vae.py digits             # a minute on 2 cores; test bound about 87.5 nats
    python experiments/vae.py mnist              # dynamic binarisation, six minutes; needs GENJAX_DATA or --download
    python experiments/vae.py binarized-mnist    # the canonical static binarisation
    python experiments/vae.py circle             # points in the plane
    python experiments/vae.py digits --steps 20 --evidence-samples 10     # a tiny run, in seconds

Writes a run folder: config.json, metrics.jsonl, checkpoints/, summary.json, pictures and report.html.
"""

import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import tyro


@dataclass(frozen=True)
class Config:
    """Train a variational autoencoder."""

    data: Literal["digits", "mnist", "binarized-mnist", "circle"] = "digits"
    """What to learn."""
    out: Path = Path("runs/vae-digits")
    """Folder of the run; must be new or empty, or hold the run to --resume."""
    resume: bool = False
    """Go on with the run in --out from its newest intact checkpoint."""
    download: bool = False
    """Fetch data files that are missing."""
    steps: int = 2000
    """Optimisation steps."""
    batch_size: int = 128
    """Examples a step."""
    seed: int = 0
    """Seed of the first run; the others follow from it."""
    seeds: int = 3
    """Runs side by side, for error bars."""
    learning_rate: float = 1e-3
    """Peak of the cosine schedule."""
    weight_decay: float = 0.1
    """Of AdamW."""
    clip: float = 100.0
    """Largest norm of a gradient."""
    beta: float = 1.0
    """Weight of the KL."""
    num_samples: int = 1
    """Latent draws an example and step."""
    latents: int = 16
    """Dimensions of the latent."""
    hidden: tuple[int, ...] = (128, 128)
    """Widths of the encoder's hidden layers; the decoder mirrors them."""
    validate_every: int = 100
    """Steps between validations; the best parameters are reported."""
    patience: int | None = None
    """Validations without improvement before stopping; by default never."""
    checkpoint_seconds: float = 60.0
    """Seconds between checkpoints."""
    evidence_samples: int = 5000
    """Importance samples of the test likelihood."""
    evidence_examples: int = 300
    """Test examples the importance-weighted likelihood is averaged over, from the first."""
    tensorboard: bool = False
    """Also write TensorBoard events (needs the tensorboard extra)."""


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
    import optax

    from genjax import Kind, expectation, metrics, nn, vae
    from genjax.training import likelihood_entry, make_step, map_examples, over_seeds, start, train
    from genjax.training.run import RunFolder, check_positive
    from genjax.training.session import Session
    from genjax.training.task import TASKS

    check_positive(
        config,
        "steps",
        "batch_size",
        "seeds",
        "learning_rate",
        "clip",
        "num_samples",
        "latents",
        "validate_every",
        "evidence_samples",
        "evidence_examples",
    )
    task = TASKS[config.data](config.download)
    dataset, dims = task.dataset, task.dataset.num_dims
    if config.resume:
        run = RunFolder.reopen(config.out, config, free=("out", "resume", "download", "checkpoint_seconds"))
    else:
        run = RunFolder.create(config.out, config, data=dataset)

    networks = nn.latent_model(dims, config.hidden, config.latents, task.head)

    def model(params):
        return partial(networks.encode, params), partial(networks.log_likelihood, params)

    # The loss of one example; jax.vmap does the rest.
    def loss(params, key, stored):
        key_data, key_noise = jax.random.split(key)
        x = task.observe(key_data, stored)
        options = {"beta": config.beta, "num_samples": config.num_samples}
        return vae.negative_elbo(key_noise, *model(params), x, **options)

    schedule = optax.cosine_decay_schedule(config.learning_rate, config.steps)
    init_state, step = make_step(
        lambda params, key, batch: expectation(partial(loss, params))(key, batch),
        optax.chain(
            optax.clip_by_global_norm(config.clip), optax.adamw(schedule, weight_decay=config.weight_decay)
        ),
    )
    keys = jax.random.split(jax.random.key(config.seed), config.seeds)
    key_init, key_train, key_test = jax.vmap(partial(jax.random.split, num=3), out_axes=1)(keys)
    key_validation, key_real = jax.random.split(jax.random.key(config.seed + 1000))
    validation = jnp.asarray(dataset.validation)

    started = time.perf_counter()
    with Session(
        run,
        num_steps=config.steps,
        checkpoint_every=config.checkpoint_seconds,
        tensorboard=config.tensorboard,
    ) as session:
        progress = start(jax.jit(jax.vmap(lambda key: init_state(networks.init(key))))(key_init))
        if config.resume:
            progress = session.resume(progress)
        first_step = int(progress.state.step.max())
        progress = train(
            key_train,
            step,
            progress,
            jnp.asarray(dataset.train),
            lambda params: jnp.mean(map_examples(partial(loss, params), key_validation, validation)),
            num_steps=config.steps,
            batch_size=config.batch_size,
            validate_every=config.validate_every,
            log_every=100,
            patience=config.patience,
            after_chunk=session.after_chunk,
        )
    seconds = time.perf_counter() - started
    params = progress.selected.params

    # Everything below is measured on the test set, with the parameters that validation chose.
    test = jnp.asarray(dataset.test)
    weighed = test[: config.evidence_examples]

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

    def over_test(measure, examples):
        one_seed = lambda params, key, data: map_examples(partial(measure, params), key, data)
        return jax.jit(jax.vmap(one_seed, (0, 0, None)))(params, key_test, examples)

    print(
        f"measuring {len(test)} test examples, {len(weighed)} of them "
        f"with {config.evidence_samples} importance samples each",
        flush=True,
    )
    terms, means, log_vars = over_test(bound, test)
    log_evidence = over_test(evidence, weighed)

    # Samples: decoded means of prior draws, as many as test examples they are compared with.
    real = jax.vmap(task.observe)(jax.random.split(key_real, len(test)), test).reshape(len(test), dims)[:2000]

    @jax.jit
    @jax.vmap
    def draw(params, key):
        z = jax.random.normal(key, (len(real), config.latents))
        return jax.vmap(partial(networks.decode, params))(z)

    samples = jax.block_until_ready(draw(params, key_test))
    sampling_started = time.perf_counter()
    jax.block_until_ready(draw(params, key_test))
    sampling = (time.perf_counter() - sampling_started) / (config.seeds * len(real)) * 1000
    # Data are passed, not closed over: a compiler would fold what it can compute of a constant.
    judge = lambda fake, real: (metrics.frechet_distance(fake, real), metrics.diversity(fake))
    frechet, spread = jax.jit(jax.vmap(judge, (0, None)))(samples, real)
    real_spread = jax.jit(metrics.diversity)(real)
    active = jax.jit(jax.vmap(vae.active_units))(means)
    collapsed = jax.jit(jax.vmap(vae.collapsed_units))(means, log_vars)

    entry = partial(likelihood_entry, num_dims=dims, num_levels=task.num_levels)
    summary = {
        "schema_version": 1,
        "model": "variational autoencoder",
        "data": dataset.name,
        "seeds": config.seeds,
        "objective": {"name": "negative ELBO", "kind": "an upper bound on the negative log-likelihood"},
        "likelihood": {
            "ELBO": entry(terms.elbo, kind=Kind.LOWER_BOUND),
            f"importance weighted, {config.evidence_samples} samples": entry(
                log_evidence, kind=Kind.ESTIMATE
            ),
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
        "selected_step": progress.selected.step.tolist(),
        "cost": {
            "training_seconds": seconds,
            "steps_per_second": (int(progress.state.step.max()) - first_step) / seconds,
            "network_calls_per_sample": 1,
            "seconds_per_1000_samples": sampling,
        },
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

    figures.curves(
        run.path / "curves.png",
        run.read_log(),
        {"loss": "training loss", "validation_best": "best validation"},
        ylabel="negative ELBO / nats",
    )
    captions = {"curves.png": "Loss of training batches and the best validation cost so far, every seed."}
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

    def grid(name, pixels, title, columns=10):
        images = jnp.reshape(pixels, (-1, *task.dataset.event_shape))
        figures.image_grid(
            run.path / name, images, columns=columns, low=task.low, high=task.high, title=title
        )

    grid("samples.png", samples[:50], "Decoded means of draws from the prior")
    grid(
        "reconstructions.png",
        jnp.concatenate([real[:10], decode(means[:10])]),
        "Test data above, reconstructions from the posterior mean below",
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
    grid("traversal.png", decode(codes), "Latent traversal")
    return captions | {
        "samples.png": "Decoded means of 50 draws of the prior: no pixel noise is added.",
        "reconstructions.png": "Test examples and their reconstructions.",
        "traversal.png": caption,
    }


def report(run, summary, pictures) -> None:
    """Write the page and print its first lines."""
    from genjax.training import describe
    from genjax.training.report import write_report

    def in_units(entry):
        bits = f" = {describe(entry['bits_per_dim'])} bits/dim" if "bits_per_dim" in entry else ""
        return f"{describe(entry['nll_nats'], ' nats')}{bits} ({entry['num_test']} test examples)"

    likelihoods = [(f"{name} ({e['kind']})", in_units(e)) for name, e in summary["likelihood"].items()]
    cost, units = summary["cost"], summary["latents"]
    sections = [
        {
            "heading": "Objective",
            "text": "The negative ELBO: an upper bound on the negative log-likelihood. Parameters were selected on "
            f"validation data; numbers are of test data, mean ± standard error over {summary['seeds']} seeds.",
        },
        {
            "heading": "Likelihood",
            "text": "Negative log-likelihood of test data. A bound and an estimate are not the same kind of number: "
            "the estimate approaches the true value from above as its samples grow.",
            "rows": likelihoods,
        },
        {
            "heading": "Quality",
            "text": "Squared Fréchet distance between decoded means of prior draws and test data, in pixels. "
            "Means carry no pixel noise, so it is not zero even for a perfect model.",
            "rows": [("Fréchet distance", describe(summary["quality"]["frechet_distance_pixels"]))],
        },
        {
            "heading": "Diversity and mode collapse",
            "text": "Mean distance between two samples beside that between two test examples; a collapsed model's is "
            "near zero. Active units follow the data, collapsed ones are the prior.",
            "rows": [
                ("pairwise distance of samples", describe(summary["diversity"]["pairwise_distance"])),
                ("of test data", f"{summary['diversity']['pairwise_distance_of_test_data']:.4g}"),
                ("active units", f"{describe(summary['active_units'])} of {units}"),
                ("collapsed units", f"{describe(summary['collapsed_units'])} of {units}"),
                ("rate (KL)", describe(summary["rate_nats"], " nats")),
                ("distortion", describe(summary["distortion_nats"], " nats")),
            ],
        },
        {
            "heading": "Controls",
            "text": "Latent traversals stand among the pictures. The model is unconditional.",
        },
        {
            "heading": "Cost",
            "text": "Training time is of all seeds side by side.",
            "rows": [
                ("training", f"{cost['training_seconds']:.1f} s, {cost['steps_per_second']:.0f} steps/s"),
                ("sampling", f"1 network call a sample, {cost['seconds_per_1000_samples']:.2g} s for 1,000"),
            ],
        },
        {
            "heading": "Timesteps",
            "text": "Not applicable: this model has no timesteps, and samples in one step.",
        },
    ]
    title = f"Variational autoencoder on {summary['data']}"
    write_report(run, title=title, sections=sections, figures=pictures)
    for name, value in likelihoods:
        print(f"test negative log-likelihood, {name}: {value}")
    print(f"report:  {run.path / 'report.html'}\nsummary: {run.path / 'summary.json'}")


if __name__ == "__main__":
    config = tyro.extras.overridable_config_cli(PRESETS)
    from genjax.training.run import exit_on_fault  # after parsing, so that --help is instant

    with exit_on_fault():
        main(config)

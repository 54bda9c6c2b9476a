"""Train a generator against a discriminator, and measure what it makes: quality and diversity apart.

    python experiments/gan.py ring                # eight Gaussians on a ring: which modes are reached
    python experiments/gan.py ring --pack 2       # the discriminator judges two examples together (PacGAN)
    python experiments/gan.py grid                # 25 Gaussians
    python experiments/gan.py line                # on a line, beside the best discriminator
    python experiments/gan.py circle              # a density without modes
    python experiments/gan.py digits --classifier runs/classifier-digits    # after experiments/classifier.py digits
    python experiments/gan.py ring --steps 20 --seeds 1      # a tiny run, in seconds

Presets mnist and stacked-mnist need GENJAX_DATA or --download; of stacked-mnist the 1,000 modes are counted by a
classifier of mnist. Writes a run folder: config.json, metrics.jsonl,
checkpoints/, summary.json, pictures and report.html.
"""

from genjax.recipes.gan import PRESETS, Config
from genjax.training.options import run_script

NUM_SNAPSHOTS, NUM_DRAWN = 5, 500
NUM_STACKED = 26_000
"""Samples in which the modes of stacked MNIST are counted, as papers do."""


def main(config: Config) -> None:
    from dataclasses import replace
    from functools import partial

    import jax

    from genjax.data import load
    from genjax.recipes import classifier
    from genjax.recipes.gan import model
    from genjax.report import curves, judged, measure, publish, samples_beside_data, summarize
    from genjax.training import open_run, with_snapshots

    data = load(config.data, download=config.download)
    game = model(config, data.spec)
    judge = None if config.classifier is None else classifier.judge(config.classifier, data)
    run = open_run("gan", config, data)
    data = data.with_test(config.test_examples)
    key_measure, key_judge = jax.random.split(run.keys.measure)

    num_drawn = NUM_DRAWN if data.num_levels is None else 50
    labels = () if game.num_classes is None else (jax.numpy.arange(num_drawn) % game.num_classes,)
    keys = jax.random.split(run.keys.draw, num_drawn)
    assert game.sample is not None
    assert game.steps is not None
    draw = lambda params, sample=game.sample: jax.vmap(partial(sample, params))(keys, *labels)
    every = max(1, config.steps // NUM_SNAPSHOTS)
    steps = with_snapshots(*game.steps, draw, every=every, num=NUM_SNAPSHOTS)
    trained = run.train(replace(game, steps=steps), data)
    taken = (trained.state.inner if config.ema else trained.state).taken[0]

    num_images = NUM_STACKED if config.data == "stacked-mnist" and judge else 1000
    num_samples = 2500 if data.num_levels is None else num_images
    measured = measure(game, trained, data, key_measure, num_samples=num_samples)
    pictures = [
        samples_beside_data(run.keys.draw, game, measured, data),
        *snapshots(game, data, taken, every),
    ]
    rows, warnings = {}, []
    if data.density is not None:
        centers = getattr(data.density, "centers", None)
        if centers is not None:
            rows, warnings = modes(measured, data.density)
        pictures[1:1] = discriminator(config, data, trained, measured, centers)
    elif judge is not None:
        rows, warnings = judged(key_judge, judge, game, measured)
        if config.data == "stacked-mnist":
            triples, missed = stacked_modes(judge, game, measured)
            rows["Diversity and mode collapse"] |= triples
            warnings += missed
    else:
        print("samples are compared in pixels; --classifier FOLDER adds what a classifier says of them")
    pictures.append(curves(run, ylabel="sliced Wasserstein distance to validation data", together=False))
    summary = summarize(
        run,
        game,
        trained,
        measured,
        objective=(
            f"A game of two players ({config.game}), which bounds no likelihood; the loss shown is the "
            "discriminator's. Parameters are those of the least sliced Wasserstein distance to validation data."
        ),
        controls="The label." if config.conditional else "None: the model is unconditional.",
        rows=rows,
        warnings=warnings,
    )
    publish(run.folder, summary, pictures)


def modes(measured, density):
    """Which modes of a known mixture the samples of every seed reach, and what is wrong with that."""
    import jax
    import jax.numpy as jnp

    from genjax import metrics
    from genjax.report import quantity

    centers, k = jnp.asarray(density.centers, jnp.float32), len(density.centers)
    weights = jnp.full(k, 1 / k)

    @jax.jit
    @jax.vmap
    def count(samples):
        coverage = metrics.mode_coverage(samples, centers, std=density.std)
        return coverage, metrics.mode_divergence(metrics.nearest(samples, centers).indices, weights)

    (covered, high_quality), divergence = count(measured.samples)
    (of_data, best), _ = count(measured.real[None, : measured.samples.shape[1]])
    known = {"baseline_of": "test data, as many"}
    rows = {
        "Quality": {
            "high-quality share": quantity(
                high_quality,
                note="samples within three standard deviations of a mode",
                baseline=float(best[0]),
                **known,
            )
        },
        "Diversity and mode collapse": {
            "modes covered": quantity(covered, note=f"of {k}", baseline=float(of_data[0]), **known),
            "divergence of the modes": quantity(
                divergence, "nats", note="KL of the shares of samples per mode to equal ones", baseline=0.0
            ),
        },
    }
    fewest = int(covered.min())
    warnings = [f"Mode collapse: a seed reaches {fewest} of {k} modes."] if fewest < k else []
    return rows, warnings


def stacked_modes(judge, game, measured):
    """How many triples of digits the samples of every seed reach, how evenly, and what is wrong with that."""
    import jax
    import jax.numpy as jnp

    from genjax import metrics
    from genjax.report import quantity

    classify = lambda x: jnp.argmax(judge.classify(game.view.show(x)).logits)

    @jax.jit
    def count(samples):
        modes = jax.lax.map(classify, samples, batch_size=500)
        reached = jnp.sum(jnp.bincount(modes, length=1000) > 0)
        return reached, metrics.mode_divergence(modes, jnp.full(1000, 1e-3))

    reached, divergence = (jnp.stack(of) for of in zip(*map(count, measured.samples), strict=True))
    many, fewest = f"{NUM_STACKED:,} samples", int(reached.min())
    warnings = [f"Mode collapse: a seed reaches {fewest} of 1,000 triples."] if fewest < 1000 else []
    rows = {
        "triples reached": quantity(reached, note=f"of 1,000, by {many}", of=judge.name),
        "divergence of the triples": quantity(
            divergence,
            "nats",
            note=f"KL of their shares of {many} to equal ones",
            of=judge.name,
            baseline=0.0,
        ),
    }
    return rows, warnings


def discriminator(config, data, trained, measured, centers):
    """What the discriminator of the first seed says of places, and where there are modes the samples of each."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    from genjax import gan, metrics
    from genjax.recipes.gan import players
    from genjax.report import Picture, figures

    parts, density, samples = players(config, data.spec), data.density, measured.samples[0]
    limit = 1.2 * float(jnp.abs(measured.real).max())
    alike = "" if config.pack == 1 else f" of {config.pack} equal points"
    logits = jax.jit(
        jax.vmap(lambda params, x: parts.logit(params, jnp.tile(x[None], (config.pack, 1))), (None, 0))
    )
    panels, of_modes = [], ""
    if centers is not None:
        nearest = metrics.nearest(samples, jnp.asarray(centers, jnp.float32)).indices
        counts, equal = np.bincount(nearest, minlength=len(centers)), len(samples) / len(centers)
        panels.append(figures.bars("samples per mode", counts, equal, xlabel="mode", ylabel="samples"))
        of_modes = ", and the samples nearest to each mode"
    if samples.shape[1] == 2:
        places = jnp.linspace(-limit, limit, 200)
        grid = jnp.stack(jnp.meshgrid(places, places), axis=-1).reshape(-1, 2)
        values = logits(trained.first, grid).reshape(200, 200)
        panels.insert(
            0, figures.landscape("discriminator", values, samples, limit=limit, label=f"logit{alike}")
        )
        caption = f"The discriminator's logit with samples upon it{of_modes}; first seed."
        return [Picture("discriminator", caption, panels)]
    many = jax.jit(jax.vmap(lambda key: parts.generate(trained.first, key)))(
        jax.random.split(jax.random.key(0), 200_000)
    )
    # The model's density has no formula: a histogram of many samples, in cells at whose middles both are compared.
    edges = np.linspace(-limit, limit, 81)
    height, _ = np.histogram(np.asarray(many), edges, density=True)
    middle = jnp.asarray((edges[1:] + edges[:-1]) / 2, jnp.float32)[:, None]
    log_p = jax.vmap(density.log_prob)(middle)
    seen = np.flatnonzero(height)
    best = jax.nn.sigmoid(gan.optimal_logit(log_p[seen], jnp.log(jnp.asarray(height[seen], jnp.float32))))
    said = jax.nn.sigmoid(logits(trained.first, middle[seen]))
    curve = figures.lines(
        "D against D*",
        middle[seen, 0],
        {"D(x)": said, "D*(x) = p/(p + q)": best},
        xlabel="x",
        ylabel="probability of data",
    )
    laws = figures.lines(
        "densities",
        middle[:, 0],
        {"data": jnp.exp(log_p), "samples": height},
        xlabel="x",
        ylabel="density",
    )
    caption = (
        "The discriminator beside the best one against this generator, both densities, and samples per mode."
    )
    return [Picture("discriminator", caption, [curve, laws, *panels])]


def snapshots(game, data, taken, every):
    """Samples from the same noise while the generator learned."""
    import jax
    import numpy as np

    from genjax.report import Picture, image_panel
    from genjax.report.pictures import points_panel

    shown = np.asarray(jax.vmap(jax.vmap(game.view.show))(taken))
    limit = 1.2 * float(np.abs(np.asarray(data.test)).max())
    panels = []
    for number, samples in enumerate(shown):
        title = f"step {(number + 1) * every}"
        images = data.num_levels is not None
        panels.append(
            image_panel(title, samples, data.event_shape)
            if images
            else points_panel(title, samples, limit=limit)
        )
    return [Picture("training", "Samples of the first seed from the same noise, without averaging.", panels)]


if __name__ == "__main__":
    run_script(main, PRESETS)

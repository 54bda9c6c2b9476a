"""Train a classifier of images, by whose features and probabilities the samples of every family are judged.

    python experiments/classifier.py digits      # half a minute on 2 cores
    python experiments/classifier.py mnist       # under two minutes; needs GENJAX_DATA or --download

Another script takes its folder: `python experiments/gan.py digits --classifier runs/classifier-digits`. Writes a run
folder: config.json, metrics.jsonl, checkpoints/, summary.json, pictures and report.html.
"""

from genjax.recipes.classifier import PRESETS, Config
from genjax.training.options import run_script


def main(config: Config) -> None:
    import jax
    import jax.numpy as jnp
    import numpy as np

    from genjax import densities
    from genjax.data import load
    from genjax.recipes.classifier import model, network
    from genjax.report import Measured, Picture, Section, curves, image_panel, publish, quantity, summarize
    from genjax.training import map_seeds, open_run

    data = load(config.data, download=config.download)
    classifier = model(config, data.spec)
    _, apply = network(config, data.spec)
    run = open_run("classifier", config, data)
    data = data.with_test(config.test_examples)
    trained = run.train(classifier, data)

    def judge(params, key, stored):
        """Log-probability of the label, whether another class has more, and the most probable class."""
        image, label = stored
        logits = apply(params, classifier.view.observe(None, image)).logits
        best = jnp.argmax(logits)
        return densities.categorical_log_prob(label, logits), best == label, best

    keys = jax.random.split(run.keys.measure, config.seeds)
    labels = np.asarray(data.test_labels)
    test = (jnp.asarray(data.test), jnp.asarray(labels))
    log_prob, right, best = map_seeds(judge, trained.params, keys, test, doing="measuring")
    error = lambda values: values.std(axis=1, ddof=1) / values.shape[1] ** 0.5
    of = {"of": f"the class of an image of {data.name}", "note": f"over {len(data.test):,} test examples"}
    likelihood = {
        "−log p(y|x)": quantity(-log_prob.mean(1), "nats", kind="exact", over_test=error(log_prob), **of)
    }
    quality = {"accuracy": quantity(right.mean(1), over_test=error(1.0 * right), **of)}
    cost = {
        "parameters": quantity(trained.num_params),
        "training time": quantity(
            trained.seconds, "s", note=f"{config.seeds} seeds side by side, with compilation"
        ),
    }
    sections = {
        "Likelihood": Section("Of the class given the image; images themselves have none.", likelihood),
        "Quality": Section("How often the most probable class is the label.", quality),
        "Diversity and mode collapse": Section("Not applicable: a classifier generates nothing."),
        "Cost": Section("Training.", cost),
    }
    measured = Measured({}, jnp.zeros(0), jnp.zeros((0, 0)), jnp.zeros((0, 0)), sections, ())
    summary = summarize(
        run,
        classifier,
        trained,
        measured,
        objective="Cross-entropy of the class, on images that are moved and made noisy.",
    )
    wrong = jnp.flatnonzero(~right[0])[:20]
    said = [f"{labels[i]}→{best[0, i]}" for i in wrong[:10].tolist()]
    shown = jax.vmap(lambda v: classifier.view.show(classifier.view.observe(None, v)))(test[0][wrong])
    pictures = [curves(run, ylabel="cross-entropy / nats")]
    if len(wrong):
        panels = (image_panel("taken for another class", shown, data.event_shape, labels=said),)
        caption = (
            "Test images that the first seed takes for another class; above the first row, label→answer."
        )
        pictures.insert(0, Picture("mistakes", caption, panels))
    publish(run.folder, summary, pictures)


if __name__ == "__main__":
    run_script(main, PRESETS)

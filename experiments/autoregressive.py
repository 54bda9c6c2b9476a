"""Train an autoregressive model: exact likelihood, samples and completions, and classes by Bayes' rule.

    python experiments/autoregressive.py digits                   # a class-conditional transformer
    python experiments/autoregressive.py binarized-mnist          # MADE; needs GENJAX_DATA or --download
    python experiments/autoregressive.py binarized-mnist-random   # in one random order
    python experiments/autoregressive.py mnist                    # MADE on MNIST binarised anew at every step
    python experiments/autoregressive.py digits --steps 20 --seeds 1      # a tiny run, in seconds

Writes a run folder: config.json, metrics.jsonl, checkpoints/, summary.json, pictures and report.html.
"""

from genjax.recipes.autoregressive import PRESETS, Config
from genjax.training.options import run_script


def main(config: Config) -> None:
    import jax

    from genjax.data import load
    from genjax.recipes.autoregressive import model
    from genjax.report import curves, measure, publish, samples_beside_data, summarize
    from genjax.training import open_run

    data = load(config.data, download=config.download)
    ar_model = model(config, data.spec)
    run = open_run("autoregressive", config, data)
    data = data.with_test(config.test_examples)
    trained = run.train(ar_model, data)
    measured = measure(ar_model, trained, data, run.keys.measure, num_samples=config.num_samples)

    conditional = ar_model.num_classes is not None
    rows = classes(ar_model, data, measured) if conditional else {}
    key_train, key_draw = jax.random.split(run.keys.draw)
    pictures = [samples_beside_data(key_train, ar_model, measured, data)]
    if config.order == "natural":
        pictures.append(completions(ar_model, trained.first, data, key_draw))
    pictures.append(curves(run, ylabel="negative log-likelihood / nats"))
    label = "The class of a sample, by which Bayes' rule also classifies. " if conditional else "No labels. "
    summary = summarize(
        run,
        ar_model,
        trained,
        measured,
        objective="The negative log-likelihood by the chain rule: its value is exact.",
        controls=f"{label}Completions of a given beginning stand among the pictures.",
        rows=rows,
    )
    publish(run.folder, summary, pictures)


def classes(ar_model, data, measured):
    """The joint and the posterior of the true class, and how often the likeliest class is the true one."""
    import jax.numpy as jnp
    from sklearn.linear_model import LogisticRegression

    from genjax import Kind
    from genjax.report import likelihood_rows, quantity

    labels, view = jnp.asarray(data.test_labels), ar_model.view
    marginal, posterior = measured.log_probs["log p(x)"], measured.log_probs["log p(y|x)"]
    of_label = posterior[:, jnp.arange(len(labels)), labels]
    correct = jnp.argmax(posterior, axis=-1) == labels[None]
    flat = lambda images: images.reshape(len(images), -1) / data.num_levels
    discriminative = LogisticRegression(max_iter=1000).fit(flat(data.train), data.train_labels)
    accuracy = float(discriminative.score(flat(data.test), data.test_labels))
    error = lambda values: values.std(axis=1, ddof=1) / values.shape[1] ** 0.5
    joint = likelihood_rows(
        "log p(x, y)", marginal + of_label, Kind.EXACT, f"{view.of} and their labels", view.shape, 1
    )
    return {
        "Likelihood": joint,
        "Controls": {
            "accuracy by Bayes' rule": quantity(
                correct.mean(1),
                over_test=error(correct.astype(float)),
                baseline=accuracy,
                baseline_of="logistic regression, which models p(y|x) alone",
                note="share of test images whose likeliest class is the true one",
            ),
            "log p(y|x) of the label": quantity(of_label.mean(1), "nats", over_test=error(of_label)),
        },
    }


def completions(ar_model, params, data, key):
    """Upper halves of test images, each completed four times by the first seed."""
    import jax
    import jax.numpy as jnp

    from genjax.data import evenly_spaced
    from genjax.report import Picture, image_panel
    from genjax.training import examples

    chosen = jax.tree.map(lambda leaf: jnp.asarray(evenly_spaced(leaf, 10)), examples(ar_model, data, "test"))
    images, labels = chosen if ar_model.num_classes else (chosen, None)
    key_view, key_draw = jax.random.split(key)
    x = jax.vmap(ar_model.view.observe)(jax.random.split(key_view, len(images)), images).astype(int)

    def complete(key, x, label):
        return ar_model.sample(params, key, label, prefix=x[: len(x) // 2])

    one_row = jax.vmap(complete, (0, 0, None if labels is None else 0))
    rows = jax.jit(jax.vmap(one_row, (0, None, None)))(jax.random.split(key_draw, (4, len(x))), x, labels)
    shown = jax.vmap(ar_model.view.show)(jnp.concatenate([x[None], rows]).reshape(-1, x.shape[1]))
    panel = image_panel("test data above; below, completions", shown, data.event_shape)
    return Picture(
        "completions", "Upper halves of test images, each completed four times by the first seed.", [panel]
    )


if __name__ == "__main__":
    run_script(main, PRESETS)

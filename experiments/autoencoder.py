"""Train an autoencoder and a variational one alike, and judge by one measure what their latents can generate.

    python experiments/autoencoder.py digits         # under a minute on 2 cores
    python experiments/autoencoder.py mnist          # ten minutes; needs GENJAX_DATA or --download
    python experiments/autoencoder.py circle         # points in the plane

The autoencoder reconstructs better; what its decoder makes of draws from the prior lies far from the data. Writes a
run folder: config.json, metrics.jsonl, checkpoints/, summary.json, pictures and report.html.
"""

from functools import partial

from genjax.recipes.autoencoder import PRESETS, Config
from genjax.training.options import run_script


def main(config: Config) -> None:
    import jax
    import jax.numpy as jnp

    from genjax import metrics
    from genjax.data import evenly_spaced, load
    from genjax.recipes import autoencoder, vae
    from genjax.recipes.latent import networks
    from genjax.report import curves, measure, publish, quantity, samples_beside_data, summarize
    from genjax.training import open_run

    data = load(config.data, download=config.download)
    view, net = networks(config, data.spec)
    same = {name: getattr(config, name) for name in ("data", "latents", "hidden", "conv")}
    models = {
        "autoencoder": autoencoder.model(config, data.spec),
        "VAE": vae.model(vae.Config(**same), data.spec),
    }
    run = open_run("autoencoder", config, data)
    data = data.with_test(config.test_examples)
    folders = {"autoencoder": "", "VAE": "vae"}
    trained = {name: run.train(m, data, name=folders[name]) for name, m in models.items()}

    key_measure, key_train, key_test, key_codes = jax.random.split(run.keys.measure, 4)
    measured = measure(models["autoencoder"], trained["autoencoder"], data, key_measure, num_samples=2000)
    observe = lambda key, stored: jax.vmap(view.observe)(
        jax.random.split(key, len(stored)), jnp.asarray(stored)
    )
    x_train = observe(key_train, evenly_spaced(data.train, 10_000))
    x_test = observe(key_test, evenly_spaced(data.test, 2000))

    @jax.jit
    @partial(jax.vmap, in_axes=(0, 0, None, None))
    def judge(params, key, x_train, x_test):
        """What one model makes of three sets of codes, by one measure; and what it loses of test data."""
        decode = lambda codes: jax.vmap(lambda z: view.show(net.decode(params, z)))(codes)
        encode = lambda x: jax.vmap(lambda x: net.encode(params, x)[0])(x)
        codes, codes_test = encode(x_train), encode(x_test)
        noise = jax.random.normal(key, codes_test.shape)
        fitted = jnp.mean(codes, axis=0, keepdims=True) + noise @ jnp.linalg.cholesky(jnp.cov(codes.T)).T
        sets = {"N(0, I)": noise, "a Gaussian fitted to its codes": fitted, "codes of test data": codes_test}
        real = jax.vmap(view.show)(x_test)
        judged = {name: judge_set(real, decode(z)) for name, z in sets.items()}
        distortion = -jnp.mean(jax.vmap(partial(net.log_likelihood, params))(x_test, codes_test))
        return distortion, judged

    judge_set = lambda real, fake: (
        metrics.frechet_distance(real, fake),
        metrics.precision_recall(real, fake),
    )
    rows = {"Likelihood": {}, "Quality": {}, "Diversity and mode collapse": {}}
    for name, one in trained.items():
        distortion, judged = judge(one.params, jax.random.split(key_codes, config.seeds), x_train, x_test)
        of = {"of": view.of}
        loss = quantity(distortion, "nats", note="no likelihood", **of)
        rows["Likelihood"][f"distortion at the code, {name}"] = loss
        for codes, (frechet, support) in judged.items():
            title = f"{name}, decoded from {codes}"
            rows["Quality"][f"Fréchet distance, {title}"] = quantity(frechet, **of)
            rows["Quality"][f"precision, {title}"] = quantity(support.precision, **of)
            rows["Diversity and mode collapse"][f"recall, {title}"] = quantity(support.recall, **of)
    summary = summarize(
        run,
        models["autoencoder"],
        trained["autoencoder"],
        measured,
        objective=(
            "Reconstruction alone, which bounds no likelihood. Beside it a VAE with the same networks, by its "
            "negative ELBO."
        ),
        rows=rows,
    )
    shown = samples_beside_data(run.keys.draw, models["autoencoder"], measured, data)
    publish(
        run.folder,
        summary,
        [
            shown,
            curves(run, ylabel="−log p(x|z) / nats"),
            curves(run, ylabel="negative ELBO / nats", name="vae"),
        ],
    )


if __name__ == "__main__":
    run_script(main, PRESETS)

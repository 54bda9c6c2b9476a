"""Train a variational autoencoder, measure it and draw it.

    python experiments/vae.py digits             # a minute on 2 cores; test bound about 87.5 nats
    python experiments/vae.py mnist              # dynamic binarisation, six minutes; needs GENJAX_DATA or --download
    python experiments/vae.py binarized-mnist    # the canonical static binarisation
    python experiments/vae.py circle             # points in the plane
    python experiments/vae.py digits --conv --hidden 16 32     # convolutions
    python experiments/vae.py digits --steps 20 --evidence-samples 10     # a tiny run, in seconds

Writes a run folder: config.json, metrics.jsonl, checkpoints/, summary.json, pictures and report.html.
"""

from functools import partial

from genjax.recipes.vae import PRESETS, Config
from genjax.training.options import run_script


def main(config: Config) -> None:
    import jax
    import jax.numpy as jnp

    from genjax import vae
    from genjax.data import evenly_spaced, load
    from genjax.recipes.latent import networks
    from genjax.recipes.vae import model
    from genjax.report import curves, measure, publish, quantity, samples_beside_data, summarize
    from genjax.training import map_seeds, open_run

    data = load(config.data, download=config.download)
    net, vae_model = networks(config, data.spec)[1], model(config, data.spec)
    run = open_run("vae", config, data)
    data = data.with_test(config.test_examples)
    trained = run.train(vae_model, data)
    key_measure, key_terms = jax.random.split(run.keys.measure)
    measured = measure(vae_model, trained, data, key_measure, num_samples=2000)

    def terms(params, key, stored):
        """The two terms of the bound, and the code, of one test example."""
        key_data, key_noise = jax.random.split(key)
        x = vae_model.view.observe(key_data, stored)
        encode, log_likelihood = partial(net.encode, params), partial(net.log_likelihood, params)
        noise = jax.random.normal(key_noise, (config.latents,))
        return vae.elbo_terms(encode, log_likelihood, x, noise), *encode(x)

    keys = jax.random.split(key_terms, config.seeds)
    elbo, means, log_vars = map_seeds(
        terms, trained.params, keys, jnp.asarray(data.test), doing="measuring the terms of the bound"
    )
    active = jax.vmap(vae.active_units)(means).sum(1)
    collapsed = jax.vmap(vae.collapsed_units)(means, log_vars).sum(1)
    of = {"of": vae_model.view.of}
    units = {"baseline": float(config.latents), "baseline_of": "latents"}
    rows = {
        "Likelihood": {
            "rate": quantity(elbo.rate.mean(1), "nats", note="KL of the codes from the prior", **of),
            "distortion": quantity(elbo.distortion.mean(1), "nats", note="−log p(x|z) at drawn codes", **of),
        },
        "Diversity and mode collapse": {
            "active units": quantity(active, note="latents that follow the data", **units),
            "collapsed units": quantity(collapsed, note="latents that are the prior", **units),
        },
    }
    collapse = "Posterior collapse: in some seed no latent follows the data."
    weighed = "" if config.beta == 1 else f" Its KL was weighed by {config.beta:g} in training."
    summary = summarize(
        run,
        vae_model,
        trained,
        measured,
        objective=f"The negative ELBO, an upper bound on the negative log-likelihood.{weighed}",
        controls="The latent: what it does stands among the pictures. No labels.",
        rows=rows,
        warnings=[] if int(active.min()) > 0 else [collapse],
    )
    key_train, key_draw = jax.random.split(run.keys.draw)
    pictures = [
        samples_beside_data(key_train, vae_model, measured, data),
        latents(config, vae_model, net, trained.first, evenly_spaced(data.test, 500), key_draw),
        curves(run, ylabel="negative ELBO / nats"),
    ]
    publish(run.folder, summary, pictures)


def latents(config, vae_model, net, params, stored, key):
    """Reconstructions, and what each latent does."""
    import jax
    import jax.numpy as jnp

    from genjax.report import Picture, image_panel
    from genjax.report.figures import scatter

    view = vae_model.view
    x = jax.vmap(view.observe)(jax.random.split(key, len(stored)), jnp.asarray(stored))
    show = jax.jit(jax.vmap(lambda z: view.show(net.decode(params, z))))
    codes = jax.jit(jax.vmap(lambda x: net.encode(params, x)[0]))(x)
    if len(view.shape) == 1:
        panels = [scatter("test data", x, limit=3.0), scatter("reconstructions", show(codes), limit=3.0)]
        return Picture(
            "reconstructions", "Test points beside their reconstructions from the posterior mean.", panels
        )
    pairs = jnp.concatenate([jax.vmap(view.show)(x[:10]), show(codes[:10])])
    steps = jnp.linspace(-2.5, 2.5, 10)
    widest = jnp.argsort(-jnp.var(codes, axis=0))[:6]
    moved = [jnp.tile(codes[0], (len(steps), 1)).at[:, j].set(steps) for j in widest]
    panels = [
        image_panel("test data above, reconstructions below", pairs, view.shape),
        image_panel("traversals, one latent per row", show(jnp.concatenate(moved)), view.shape),
    ]
    caption = (
        "Reconstructions from the posterior mean; and the six latents that vary most, each from −2.5 to 2.5 with the "
        "others at one test example's code. First seed."
    )
    return Picture("latents", caption, panels)


if __name__ == "__main__":
    run_script(main, PRESETS)

"""Train a normalizing flow by maximum likelihood, and compare it with the truth where that is known.

    python experiments/flow.py circle            # any toy density: about a minute per seed on 2 cores
    python experiments/flow.py digits            # Glow on digits of 8×8 pixels
    python experiments/flow.py mnist             # MAF in logit space; needs GENJAX_DATA or --download
    python experiments/flow.py ring --model spline-coupling
    python experiments/flow.py ring --steps 20 --seeds 1      # a tiny run, in seconds

Writes a run folder: config.json, metrics.jsonl, checkpoints/, summary.json, pictures and report.html.
"""

from genjax.recipes.flow import PRESETS, Config
from genjax.training.options import run_script

# Bits per dimension on MNIST in Grathwohl et al. (2019), table 2; larger networks, trained for days.
PUBLISHED = {"realnvp": 1.06, "glow": 1.05, "maf": 1.89}


def main(config: Config) -> None:
    from dataclasses import replace

    from genjax.data import load
    from genjax.recipes.flow import model
    from genjax.report import beside_the_truth, curves, measure, publish, samples_beside_data, summarize
    from genjax.training import open_run

    data = load(config.data, download=config.download)
    flow_model = model(config, data.spec)
    run = open_run("flow", config, data)
    data = data.with_test(config.test_examples)
    trained = run.train(flow_model, data)
    num_samples = 2000 if data.num_levels is None else 300
    measured = measure(flow_model, trained, data, run.keys.measure, num_samples=num_samples)

    pictures = [samples_beside_data(run.keys.draw, flow_model, measured, data)]
    rows = {}
    if data.density is not None:
        truth = beside_the_truth(flow_model, trained, measured, data, limit=config.bound)
        rows["Likelihood"] = truth.rows
        pictures.insert(0, truth.picture)
    if config.data == "mnist" and config.model in PUBLISHED:
        row = measured.sections["Likelihood"].rows["−log p(x) per dimension"]
        published = {"baseline": PUBLISHED[config.model], "baseline_of": "published, larger networks"}
        rows["Likelihood"] = {"−log p(x) per dimension": replace(row, **published)}
    pictures.append(curves(run, ylabel="negative log-likelihood / nats"))
    summary = summarize(
        run,
        flow_model,
        trained,
        measured,
        objective="The negative log-likelihood by the change of variables, exact for what the flow sees.",
        rows=rows,
    )
    publish(run.folder, summary, pictures)


if __name__ == "__main__":
    run_script(main, PRESETS)

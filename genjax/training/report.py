"""One self-contained page a run, with the entries of a fair evaluation."""

import base64
from typing import Any, NamedTuple

import jinja2

from genjax.training import figures as draw
from genjax.training.evaluate import describe
from genjax.training.run import RunFolder

__all__ = [
    "CHECKLIST",
    "Entry",
    "cost_entry",
    "draw_curves",
    "likelihood_rows",
    "sample_entries",
    "write_report",
]

CHECKLIST = (
    "Objective",
    "Likelihood",
    "Quality",
    "Diversity and mode collapse",
    "Controls",
    "Cost",
    "Timesteps",
)
"""What every report answers, in this order."""


class Entry(NamedTuple):
    """One entry of a report.

    Args:
        text: what was measured and how to read it, or why it does not apply.
        rows: (name, value) pairs.
    """

    text: str
    rows: tuple[tuple[str, str], ...] = ()


def write_report(run: RunFolder, *, title: str, entries: dict[str, Entry], figures: dict[str, str]) -> None:
    """Write `report.html` and say where it is.

    Args:
        run: the folder, with its `summary.json` written.
        title: the page's title.
        entries: one for each heading of `CHECKLIST`, no more and no fewer.
        figures: file name in the folder to caption; the pictures are put into the page itself.

    Raises:
        ValueError: the headings are not those of the checklist.
    """
    if set(entries) != set(CHECKLIST):
        raise ValueError(f"a report has the entries {', '.join(CHECKLIST)}; got {', '.join(entries)}")
    template = jinja2.Environment(
        loader=jinja2.PackageLoader("genjax.training", "templates"), autoescape=True
    ).get_template("report.html")
    pictures = [
        {"caption": caption, "data": base64.b64encode((run.path / name).read_bytes()).decode()}
        for name, caption in figures.items()
    ]
    ordered = [(heading, entries[heading]) for heading in CHECKLIST]
    run.write_text("report.html", template.render(title=title, entries=ordered, pictures=pictures))
    print(f"report:  {run.path / 'report.html'}\nsummary: {run.path / 'summary.json'}")


def likelihood_rows(summary: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """The likelihoods of a summary with their kinds and units, printed as well."""
    rows = []
    for name, entry in summary["likelihood"].items():
        bits = f" = {describe(entry['bits_per_dim'])} bits/dim" if "bits_per_dim" in entry else ""
        value = f"{describe(entry['nll_nats'], ' nats')}{bits} ({entry['num_test']} test examples)"
        rows.append((f"{name} ({entry['kind']})", value))
        print(f"test negative log-likelihood, {name} ({entry['kind']}): {value}")
    return tuple(rows)


def sample_entries(summary: dict[str, Any]) -> dict[str, Entry]:
    """Quality and diversity, from what `compare_samples` put into the summary."""
    quality, diversity = summary["quality"], summary["diversity"]
    return {
        "Quality": Entry(
            "Precision: the share of samples within the support of test data, by nearest neighbours.",
            ((f"precision of {quality['num_samples']} samples", describe(quality["precision"])),),
        ),
        "Diversity and mode collapse": Entry(
            "Recall: the share of test data within the support of the samples. Mean distance between two samples "
            "beside that between two test examples; a collapsed model's is near zero.",
            (
                ("recall", describe(diversity["recall"])),
                ("pairwise distance of samples", describe(diversity["pairwise_distance"])),
                ("of test data", f"{diversity['pairwise_distance_of_test_data']:.4g}"),
            ),
        ),
    }


def draw_curves(run: RunFolder, *, ylabel: str) -> dict[str, str]:
    """Draw the losses of `metrics.jsonl`; returns the picture's caption."""
    names = {"loss": "training loss", "validation_best": "best validation"}
    draw.curves(run.path / "curves.png", run.read_log(), names, ylabel=ylabel)
    return {"curves.png": "Loss of training batches and the best validation cost so far, every seed."}


def cost_entry(summary: dict[str, Any]) -> Entry:
    """The cost of training and of sampling, from the summary's `cost`."""
    cost = summary["cost"]
    calls = cost["network_calls_per_sample"]
    sampling = f"{cost['seconds_per_1000_samples']:.2g} s for 1,000"
    if calls is not None:  # None where no network draws the samples
        sampling = f"{calls} network call{'s' if calls > 1 else ''} a sample, {sampling}"
    training = f"{cost['training_seconds']:.1f} s, {cost['steps_per_second']:.0f} steps/s"
    return Entry(
        "Training time is of all seeds side by side.", (("training", training), ("sampling", sampling))
    )

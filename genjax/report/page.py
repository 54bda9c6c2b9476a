"""One self-contained page per run: what was learned, how well, at what cost, and how to repeat it."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from genjax.report.families import FAMILIES
from genjax.report.figures import Picture
from genjax.report.summary import CHECKLIST, Quantity, Summary, format_number, spread_in_words
from genjax.report.table import comparison
from genjax.training.run import RunFolder

__all__ = ["comparison_page", "headline", "page", "publish"]

IN_WORDS = {
    "upper bound": "at most",
    "lower bound": "at least",
    "estimate": "about",
}


def publish(folder: RunFolder, summary: Summary, pictures: Sequence[Picture]) -> None:
    """Write `summary.json`, the pictures and `report.html` into a run folder and free it; print the likelihoods.

    Args:
        folder: of the run.
        summary: what was measured.
        pictures: the first one stands beside the headline.
    """
    folder.write_json("summary.json", summary.to_json())
    for picture in pictures:
        for name, content in picture.files().items():
            folder.write_bytes(name, content)
    folder.write_text("report.html", page(summary, pictures))
    folder.release()
    for heading, name, row in summary.rows:
        if heading in ("Likelihood", "Quality", "Controls"):
            over = f" (± {row.test_error:.2g} over test examples)" if row.test_error else ""
            print(f"{name}: {row}{over}")
    print(spread_in_words(max((len(row.per_seed) for _, _, row in summary.rows), default=1)))
    for warning in summary.warnings:
        print(f"warning: {warning}")
    print(f"report:  {folder.path / 'report.html'}\nsummary: {folder.path / 'summary.json'}", flush=True)


def page(summary: Summary, pictures: Sequence[Picture]) -> str:
    """The page of one run; a pure function of what was measured.

    Args:
        summary: what was measured.
        pictures: the first one stands beside the headline, the others below the checklist.

    Returns:
        HTML that needs no other file.
    """
    facts = summary.provenance
    config = facts.get("config", {})
    return _render(
        "report.html",
        title=f"{summary.model} on {summary.data}",
        summary=summary,
        happened=_what_happened(summary),
        headline=headline(summary),
        checklist=[(heading, summary.sections[heading]) for heading in CHECKLIST],
        first=pictures[:1],
        pictures=pictures[1:],
        line=_provenance_line(summary),
        config={name: value for name, value in config.items() if name not in ("out", "resume", "download")},
        facts=facts,
    )


def headline(summary: Summary) -> dict[str, str]:
    """The main number in words: how it stands to the truth, its value, and what it is.

    Args:
        summary: what was measured.

    Returns:
        `kind`, `value`, `unit`, `what`, `spread`; empty where nothing was measured.
    """
    if summary.main is None:
        return {}
    name, row = summary.main
    per = "" if not row.unit else row.unit + (" per example" if row.kind else "")
    what = name + (f", of the {row.of}" if row.kind and row.of not in name else "")
    kind = (
        ": a bound, the true value is smaller"
        if row.kind == "upper bound"
        else f": {row.kind}"
        if row.kind
        else ""
    )
    spread = []
    if row.standard_error is not None:
        spread.append(f"± {row.standard_error:.2g} standard error over {len(row.per_seed)} seeds")
    if row.test_error is not None:
        spread.append(f"± {row.test_error:.2g} over test examples")
    if row.baseline is not None:
        spread.append(f"{row.baseline_of}: {format_number(row.baseline)}")
    return {
        "kind": IN_WORDS.get(row.kind, ""),
        "value": format_to(row.mean, row.standard_error),
        "unit": per,
        "what": what + kind,
        "spread": "; ".join(spread),
    }


def comparison_page(
    runs: Mapping[str, Summary],
    thumbnails: Mapping[str, bytes],
    *,
    title: str = "Runs side by side",
    opening: str = "",
) -> str:
    """Runs side by side.

    Args:
        runs: path of the run, from the page, to its summary.
        thumbnails: path of the run to a PNG of its samples.
        title: of the page.
        opening: what they have in common.

    Returns:
        HTML that needs no other file.
    """
    table = comparison(list(runs.values()))
    return _render(
        "comparison.html",
        title=title,
        opening=opening,
        families=FAMILIES,
        table=table,
        runs=list(runs.items()),
        thumbnails=thumbnails,
    )


def format_to(value: float, error: float | None) -> str:
    """A number to two digits of its error.

    >>> format_to(87.4321, 0.026)
    '87.432'
    """
    return Quantity((value - error, value + error)).number.split(" ")[0] if error else format_number(value)


def _what_happened(summary: Summary) -> str:
    """One sentence: what was trained, on how much."""
    facts, config = summary.provenance, summary.provenance.get("config", {})
    if not config:
        return ""
    parts = [
        f"{format_number(facts['num_params'])} parameters" if "num_params" in facts else "",
        f"{format_number(config['steps'])} steps of {format_number(config['batch_size'])} examples",
        f"{facts.get('seeds', 1)} seeds side by side",
    ]
    return ", ".join(part for part in parts if part) + "."


def _provenance_line(summary: Summary) -> list[str]:
    facts = summary.provenance
    cost = summary.sections["Cost"].rows.get("training time")
    commit = facts.get("commit")
    parts = [
        facts.get("date", ""),
        f"commit {commit[:10]}{' with changes' if facts.get('dirty') else ''}" if commit else "",
        f"jax {facts.get('versions', {}).get('jax', '?')}",
        f"{facts.get('num_devices', 1)} × {facts.get('device', 'device unknown')}",
        f"trained in {cost.mean:,.0f} s" if cost else "",
    ]
    return [part for part in parts if part]


def _render(template: str, **values: Any) -> str:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("genjax.report", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": format_number,
        "error": lambda value: f"{value:.2g}",
        "base64": lambda data: base64.b64encode(data).decode(),
        "last_part": lambda path: path.rstrip("/").rsplit("/", 1)[-1],
        "value": lambda row: format_to(row.mean, row.standard_error),
        "words": lambda row: IN_WORDS.get(row.kind, ""),
    }
    return environment.get_template(template).render(**values)

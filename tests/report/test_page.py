"""The page is a function of the record: every number once, nothing from elsewhere, and readable at any width."""

import html
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pytest

from genjax.report import (
    CHECKLIST,
    Picture,
    Section,
    Summary,
    comparison_page,
    page,
    quantity,
)
from genjax.report.figures import curves, image_sheet, scatter
from genjax.report.page import headline

ROWS = {
    "−ELBO": quantity(
        [87.41, 87.35, 87.42],
        "nats",
        kind="upper bound",
        of="17 grey levels of digits",
        over_test=[0.7, 0.6, 0.7],
    ),
    "a quantity whose name is as long as names come, 17 grey levels of digits": quantity([0.5], "bits/dim"),
}


def summary(rows=ROWS, warnings=("Recall is near zero.",)):
    sections = {heading: Section(f"About {heading}.") for heading in CHECKLIST}
    sections["Likelihood"] = Section("Negative log-likelihood of test data.", rows)
    facts = {
        "command": "python experiments/vae.py digits --out runs/" + "long-name" * 20,
        "date": "2026-01-02",
        "commit": "a" * 40,
        "dirty": False,
        "python": "3.11.7",
        "versions": {"jax": "0.10.2"},
        "device": "cpu",
        "num_devices": 1,
        "x64": True,
        "settings": {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": "--xla_a=1 --xla_b=<2>"},
        "run": "0123456789abcdef",
        "data": {"train": "f" * 64},
        "config": {"steps": 2000, "batch_size": 128, "hidden": [128, 128]},
        "num_params": 64160,
        "seeds": 3,
    }
    return Summary("vae", "variational autoencoder", "digits", sections, warnings, facts)


def pictures():
    images = image_sheet(
        "samples", np.random.default_rng(0).random((50, 8, 8)), labels=[str(i) for i in range(10)]
    )
    log = [{"step": n, "validation": [1 / n, 2 / n], "loss": [1.0, 2.0]} for n in range(1, 9)]
    lines = curves("loss", log, {"validation": "validation", "loss": "training"}, ylabel="nats")
    points = scatter("points", np.zeros((5, 2)), limit=1.0)
    return [
        Picture("samples", "Samples.", [images, images, images]),
        Picture("curves", "Curves.", [lines, points]),
    ]


def test_the_headline_says_the_number_and_its_kind_in_words():
    words = headline(summary())
    assert words["kind"] == "at most"
    assert words["value"] == "87.393"
    assert words["unit"] == "nats per example"
    assert "17 grey levels of digits" in words["what"]
    assert "0.022 standard error over 3 seeds" in words["spread"]
    assert "± 0.67 over test examples" in words["spread"]
    exact = headline(summary({"−log p(x)": quantity([1.0, 3.0], "nats", kind="exact", of="points")}))
    assert exact["kind"] == ""
    assert exact["what"] == "−log p(x), of the points: exact"
    assert headline(summary({})) == {}


def test_everything_measured_and_its_origin_stand_on_the_page():
    text = html.unescape(page(summary(), pictures()))
    for heading in CHECKLIST:
        assert f"About {heading}." in text or heading == "Likelihood"
    places = [text.index(f"<b>{heading}.</b>") for heading in CHECKLIST]
    assert places == sorted(places)
    facts = (
        "experiments/vae.py digits",
        "a" * 40,
        "jax 0.10.2",
        "f" * 16,
        "steps 2000",
        "64,160",
        "config.json",
    )
    for fact in (*ROWS, "at most 87.393 nats", "Recall is near zero.", *facts):
        assert fact in text, fact


@pytest.mark.parametrize(
    "make", [lambda: page(summary(), pictures()), lambda: comparison_page({"a": summary()}, {})]
)
def test_the_page_needs_no_other_file(make):
    sources = re.findall(r"""(?:src|href)=["']([^"']*)""", make())
    assert all(s.startswith("data:") or s.split("/")[-1] in FILES for s in sources), sources
    assert "url(" not in make()
    assert "<script" not in make()


FILES = {"config.json", "summary.json", "metrics.jsonl", "report.html"}  # beside it, as links

PROBE = """<!doctype html><title>probe</title><body>
<iframe id="page" style="width: {width}px; height: 2000px; border: 0" srcdoc="{page}"></iframe>
<script>
document.getElementById("page").onload = (event) => {{
  const inner = event.target.contentDocument, root = inner.documentElement;
  const wide = [...inner.body.querySelectorAll("*")].filter((e) => e.getBoundingClientRect().right > {width} + 1);
  const broken = [...inner.images].filter((i) => i.naturalWidth === 0);
  document.title = `measured ${{root.scrollWidth}} ${{wide.length}} ${{broken.length}} ${{inner.images.length}}`;
}};
</script>"""


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs the browser chromium")
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("kind", ["run", "comparison"])
def test_nothing_is_wider_than_the_page_in_a_browser(width, kind, tmp_path):
    images = pictures()
    both = {"runs/a": summary(), "runs/a-folder-with-a-long-name": summary(warnings=())}
    made = (
        page(summary(), images)
        if kind == "run"
        else comparison_page(both, {"runs/a": images[0].panels[0].data})
    )
    probe = tmp_path / "probe.html"
    probe.write_text(PROBE.format(width=width, page=html.escape(made, quote=True)), encoding="utf-8")
    done = browse(probe)
    assert "CONSOLE" not in done.stderr, done.stderr
    scroll, wide, broken, count = map(
        int, re.search(r"measured (\d+) (\d+) (\d+) (\d+)", done.stdout).groups()
    )
    assert scroll <= width
    assert wide == 0
    assert broken == 0
    assert count == (5 if kind == "run" else 1)


def browse(path: Path) -> subprocess.CompletedProcess:
    """The document after its scripts have run, and what was said on the console."""
    with tempfile.TemporaryDirectory() as profile:
        options = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
        ]
        options += ["--disable-component-update", "--disable-sync", f"--user-data-dir={profile}"]
        options += ["--enable-logging=stderr", "--virtual-time-budget=5000", "--dump-dom"]
        line = ["chromium", *options, path.as_uri()]
        return subprocess.run(line, capture_output=True, text=True, timeout=120)


def test_all_that_decides_the_numbers_stands_on_the_page():
    text = page(summary(), pictures())
    said = (
        "64-bit",
        "JAX_PLATFORMS=cpu",
        "XLA_FLAGS=--xla_a=1 --xla_b=&lt;2&gt;",
        "f" * 64,
        "0123456789abcdef",
    )
    assert all(fact in text for fact in said)

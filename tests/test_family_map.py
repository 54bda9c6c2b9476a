"""The family map: every family under one budget, a page that grows, and a second run that does nothing."""

import csv
import html
import json
from dataclasses import replace

import pytest

from experiments import family_map
from genjax.faults import UsageError

pytestmark = pytest.mark.usefixtures("standard_promotion")

TINY = {
    "vae": {"batch_size": 8, "hidden": (8,), "evidence_samples": 3},
    "flow": {"batch_size": 16, "layers": 1, "hidden": (8,), "bins": 4},
}


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setitem(family_map.EXAMPLES, "circle", 64)
    monkeypatch.setitem(family_map.OPTIONS, "circle", TINY)


@pytest.mark.slow
def test_the_map_grows_by_family_and_goes_on_where_it_was_stopped(tiny, tmp_path, monkeypatch, capsys):
    config = family_map.Config(data="circle", out=tmp_path / "map", seeds=2, only="vae,flow")
    run = family_map.run

    def stopped(family, options):
        if family == "flow":
            raise KeyboardInterrupt
        run(family, options)

    monkeypatch.setattr(family_map, "run", stopped)
    with pytest.raises(KeyboardInterrupt):
        family_map.main(config)
    page = (tmp_path / "map" / "report.html").read_text()
    assert "1 of 2 families so far. Every family saw 64 training examples of circle." in page
    vae = json.loads((tmp_path / "map" / "summary.json").read_text())["vae"]

    monkeypatch.setattr(family_map, "run", run)
    family_map.main(config)
    assert f"done before: {tmp_path / 'map' / 'vae' / 'report.html'}" in capsys.readouterr().out
    content = json.loads((tmp_path / "map" / "summary.json").read_text())
    assert list(content) == ["vae", "flow"]
    assert content["vae"] == vae
    for family, examples in (("vae", 64), ("flow", 64)):
        options = json.loads((tmp_path / "map" / family / "config.json").read_text())["config"]
        assert options["steps"] * options["batch_size"] == examples
    page = (tmp_path / "map" / "report.html").read_text()
    assert family_map.command(config) in html.unescape(page)
    assert f"--data circle --out {tmp_path / 'map'} --only vae,flow --seeds 2" in family_map.command(config)
    for text in ("variational inference", "change of variables", "lower bound", 'href="flow/report.html"'):
        assert text in page
    with (tmp_path / "map" / "family_map.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["family"] for row in rows] == ["vae", "flow"]
    (precision,) = (name for name in rows[0] if name.startswith("precision"))
    assert 0 <= float(rows[0][precision]) <= 1


def test_what_cannot_be_mapped_is_named_before_anything_is_trained(tiny, tmp_path):
    config = family_map.Config(data="circle", out=tmp_path / "map")
    with pytest.raises(UsageError, match=r"--only: families on circle are .*, vae, .*; got 'autoregressive'"):
        family_map.main(replace(config, only="vae,autoregressive"))
    assert not config.out.exists()
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="holds something else"):
        family_map.main(replace(config, out=tmp_path / "else"))
    family_map.begin(config)
    with pytest.raises(UsageError, match=r"holds a map of .*'seed': 0.*; this one is of .*'seed': 1"):
        family_map.main(replace(config, seed=1))


def test_every_configuration_of_every_map_is_one_of_its_recipe(tmp_path):
    for data in family_map.EXAMPLES:
        config = family_map.Config(data=data, out=tmp_path)
        for family in family_map.plan(config):
            options = family_map.configuration(family, config)
            family_map.check_options(options)
            seen, budget = options.steps * options.batch_size, family_map.examples_of(family, config)
            assert 0.98 * budget <= seen <= budget <= family_map.EXAMPLES[data], (data, family)

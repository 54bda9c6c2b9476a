"""Samples against data, from files of others."""

import numpy as np
import pytest
from PIL import Image

from genjax import cli
from genjax.data import load
from genjax.faults import DataError, UsageError

pytestmark = pytest.mark.usefixtures("standard_promotion")


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """Training digits as samples: an NPZ file, and a folder of images."""
    folder = tmp_path_factory.mktemp("samples")
    samples = load("digits").train[:100] / 16
    np.savez(folder / "samples.npz", samples=samples)
    (folder / "images").mkdir()
    for i, image in enumerate(samples):
        Image.fromarray((255 * image).round().astype(np.uint8)).save(folder / "images" / f"{i:03}.png")
    return folder


def evaluate(capsys, samples, against):
    cli.evaluate(cli.Evaluate(samples, against=str(against)))
    lines = capsys.readouterr().out.splitlines()
    return {line.split(",")[0].strip(): line for line in lines}


def test_real_samples_are_as_good_as_real_data(digits, capsys):
    lines = evaluate(capsys, digits / "samples.npz", "digits")
    value, baseline = lines["precision"].split(": ")[1], lines["precision"].split(": ")[2]
    assert float(value.split()[0]) > 0.8
    assert float(baseline.rstrip(")")) > 0.8
    assert "training data, as many" in lines["Fréchet distance"]


def test_a_folder_of_images_is_the_file_of_them(digits, capsys):
    by_file = evaluate(capsys, digits / "samples.npz", "digits")
    by_folder = evaluate(capsys, digits / "images", "digits")
    for name in ("precision", "recall"):
        assert by_file[name] == by_folder[name]
    alike = evaluate(capsys, digits / "images", digits / "samples.npz")
    assert float(alike["Fréchet distance"].rsplit(" ", 1)[1]) < 1e-3


@pytest.mark.parametrize(
    ("write", "error", "message"),
    [
        (lambda p: p.write_text("no"), DataError, "is no NPZ file"),
        (lambda p: np.savez(p, other=np.zeros((9, 8, 8))), DataError, "holds no array named 'samples'"),
        (
            lambda p: np.savez(p, samples=np.zeros((9, 7, 7))),
            UsageError,
            r"differ in shape: \[7, 7\] in .*\[8, 8\] in digits",
        ),
        (
            lambda p: np.savez(p, samples=np.zeros((3, 8, 8))),
            UsageError,
            "at least 5 examples; got 3 and 300",
        ),
        (
            lambda p: np.savez(p, samples=np.full((9, 8, 8), np.nan)),
            DataError,
            "must be finite; sample 0 is not",
        ),
        (lambda p: np.savez(p, samples=np.array(["a", "b"])), DataError, "must be real numbers"),
        (lambda p: np.savez(p, samples=np.array([{}, {}])), DataError, "is no NPZ file"),
        (lambda p: p.mkdir(), DataError, "holds no PNG or JPEG images"),
    ],
)
def test_files_that_are_no_samples_are_named(write, error, message, tmp_path):
    write(tmp_path / "bad.npz")
    with pytest.raises(error, match=message):
        cli.evaluate(cli.Evaluate(tmp_path / "bad.npz", against="digits"))


def test_what_to_compare_with_must_exist(digits):
    with pytest.raises(
        UsageError, match=r"no such file, folder or data set: nonsense; data sets are .*digits"
    ):
        cli.evaluate(cli.Evaluate(digits / "samples.npz", against="nonsense"))


def test_images_of_several_sizes_are_named(tmp_path):
    for side in (8, 9):
        Image.new("L", (side, side)).save(tmp_path / f"{side}.png")
    with pytest.raises(DataError, match=r"9.png has shape \(9, 9\), and .*8.png \(8, 8\)"):
        cli.evaluate(cli.Evaluate(tmp_path, against="digits"))

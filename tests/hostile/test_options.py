"""Options beyond their bounds: one line that names them, before anything is made."""

import dataclasses
import importlib
import math
from typing import get_args, get_type_hints

import pytest

from genjax.faults import UsageError
from genjax.training.options import _bounds, check_options, fits

FAMILIES = (
    "vae",
    "autoencoder",
    "flow",
    "autoregressive",
    "energy",
    "gan",
    "classifier",
    "diffusion",
    "score",
    "flow_matching",
)

pytestmark = pytest.mark.usefixtures("standard_promotion", "untyped")


def out_of_range(bounds, hint):
    """Values that an option of these bounds refuses."""
    whole = isinstance(bounds.low, int) and float not in (hint, *get_args(hint))
    step = 1 if whole else max(abs(bounds.low), 1e-3)
    yield from (bounds.low - step, math.nan, math.inf, -math.inf, -(10**400))
    yield from (bounds.high if bounds.below else bounds.high * 2 + 1, 10**400)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_number_has_bounds_and_whatever_lies_beyond_them_is_named(family):
    recipe = importlib.import_module(f"genjax.recipes.{family}")
    config = recipe.Config()
    hints, plain = get_type_hints(recipe.Config, include_extras=True), get_type_hints(recipe.Config)
    for option in dataclasses.fields(config):
        bounds = list(_bounds(hints[option.name]))
        numeric = fits(1, plain[option.name]) or fits((1,), plain[option.name])
        assert len(bounds) == (numeric and plain[option.name] is not bool), option.name
        listed = isinstance(getattr(config, option.name), tuple)
        wrong = [value for each in bounds for value in out_of_range(each, plain[option.name])]
        for value in [*wrong, b"x", [1]]:
            given = (value,) if listed and value in wrong else value
            with pytest.raises(UsageError, match=f"^--{option.name.replace('_', '-')} must be .*; got "):
                check_options(dataclasses.replace(config, **{option.name: given}))


TINY = {
    "vae": ["circle"],
    "autoencoder": ["circle"],
    "flow": ["circle"],
    "autoregressive": ["digits"],
    "energy": ["ring"],
    "gan": ["ring"],
    "diffusion": ["ring"],
    "score": ["ring"],
    "flow_matching": ["ring"],
    "classifier": ["digits"],
}
REFUSED = [
    ("vae", ["--mesh", "data=7"], "--mesh data=7 needs 7 devices, and there are 1"),
    ("gan", ["--mesh", "model=1"], "--mesh must be such as data=4, fsdp=2 or data=4,fsdp=2; got 'model=1'"),
    ("flow", ["--precision", "bfloat16"], "--precision bfloat16: the Jacobian of a flow needs float32"),
    ("diffusion", ["--remat"], "--remat is for --network dit; got mlp"),
    ("vae", ["--ema", "1"], "--ema must be at least 0 and below 1; got 1.0"),
    ("vae", ["--beta", "nan"], "--beta must be at least 0 and at most 1e+37; got nan"),
    ("vae", ["--latents", "2000000000"], "--latents must be at least 1 and at most 65536; got 2000000000"),
    ("vae", ["--steps", "9" * 40], "--steps must be"),
    ("vae", ["--hidden", "8", "0"], "--hidden must be at least 1"),
    ("vae", ["--accumulate", "3", "--steps", "2"], "--accumulate must be at most --steps"),
    ("vae", ["--test-examples", "1"], "--test-examples must be at least 10"),
    ("vae", ["--conv"], "--conv: convolutions need images"),
    ("autoencoder", ["--conv"], "--conv: convolutions need images"),
    ("flow", ["--model", "glow"], "--model glow needs images"),
    ("flow", ["--hidden"], "--hidden needs at least one width"),
    ("flow", ["--bound", "1e39"], "--bound must be"),
    ("flow", ["--layers", "1001"], "--layers must be at least 1 and at most 1000"),
    ("flow", ["--squeeze", "0.5"], "--squeeze must be at least 0 and below 0.5"),
    ("autoregressive", ["--heads", "3"], "--width must be a multiple of --heads; got 64 and 3"),
    ("autoregressive", ["--width", "0"], "--width must be"),
    ("autoregressive", ["--num-samples", "1000000000"], "--num-samples must be"),
    ("autoregressive", ["--num-samples", "3"], "--num-samples must be at least 4"),
    ("vae", ["--seeds", "1000000000"], "--seeds must be"),
    ("vae", ["--evidence-examples", "1"], "--evidence-examples must be at least 2"),
    ("energy", ["--temperatures", "1"], "--temperatures must be at least 2 and at most 2.14748e+09; got 1"),
    ("energy", ["--hidden-units", "25"], "--hidden-units must be at least 1 and at most 24"),
    ("energy", ["--restart", "2"], "--restart must be at least 0 and at most 1"),
    (
        "gan",
        ["--pack", "3"],
        "--batch-size must be a multiple of --critic-steps times --pack; got 256, 1 and 3",
    ),
    ("gan", ["--game", "hinge", "--target", "0.9"], "--target: this game has no target to move"),
    ("gan", ["--conditional"], "--conditional needs labels, and ring has none"),
    ("gan", ["--classifier", "nowhere"], "--classifier: no run in nowhere"),
    ("gan", ["--target", "0.3"], "--target must be at least 0.5 and at most 1; got 0.3"),
    (
        "diffusion",
        ["--schedule", "linear", "--prediction", "velocity"],
        "--prediction velocity needs a continuous",
    ),
    ("diffusion", ["--schedule", "rectified", "--prediction", "noise"], "--prediction noise says nothing"),
    ("diffusion", ["--conditional"], "--conditional needs labels, and ring has none"),
    ("diffusion", ["--schedule", "cosine", "--sampling-steps", "1001"], "--sampling-steps is at most 1000"),
    ("diffusion", ["--guidance", "2"], "--guidance 2 is between two predictions of a --conditional network"),
    ("diffusion", ["--network", "unet"], "--network unet needs images; ring has points"),
    ("score", ["--sigma-min", "4"], "--sigma-min must be below --sigma-max; got 4 and 3"),
    ("score", ["--classifier", "nowhere"], "--classifier: no run in nowhere"),
    ("flow_matching", ["--reflow", "nowhere"], "there is no run in nowhere"),
    (
        "flow_matching",
        ["--reflow", "nowhere", "--coupling", "optimal"],
        "--reflow has pairs of its own; leave --coupling at independent",
    ),
    ("classifier", ["--shift", "9"], "--shift must be at least 0 and at most 8; got 9"),
    ("classifier", ["--hidden"], "--hidden needs at least one width"),
]


@pytest.mark.parametrize(("family", "arguments", "message"), REFUSED)
def test_wrong_options_are_found_before_the_folder_is_made(family, arguments, message, ended, tmp_path):
    code, line = ended(family, *TINY[family], *arguments, "--out", tmp_path / "run")
    assert (code, list(tmp_path.iterdir())) == (2, [])
    assert line.startswith(f"{family}: {message}")

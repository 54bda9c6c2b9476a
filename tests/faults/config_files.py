"""Mutated `config.json` of a run folder."""

import copy
import dataclasses
import importlib
import json
from pathlib import Path

from genjax.data.dataset import Spec
from genjax.recipes.from_run import _configured
from genjax.training.run import RunFolder, _plain
from tests.faults.mutations import Reader

HOSTILE = (
    None,
    True,
    False,
    0,
    -1,
    1,
    3,
    1.5,
    -0.0,
    1e308,
    10**400,
    2**63,
    "",
    "a\nb",
    "\ud800",
    "\0",
    "../..",
    [],
    {},
)
HOSTILE += (
    [1, 2],
    [[]],
    ["a"],
    {"a": 1},
    float("nan"),
    float("inf"),
    "9" * 50,
    [3] * 1000,
    "x" * 9999,
    [None],
    [True],
)


def nested(rng):
    """A list, or an object, as deep as what Python can read, and some deeper."""
    depth = rng.choice((10, 300, 900, 980, rng.randrange(800, 1000), 3000))
    return rng.choice(("[" * depth + "]" * depth, '{"a":' * depth + "1" + "}" * depth, "[" * depth))


def places(content):
    """Every object and list of a JSON value with each of its keys."""
    pairs = content.items() if isinstance(content, dict) else enumerate(content)
    for key, value in list(pairs):
        yield content, key
        if isinstance(value, dict | list):
            yield from places(value)


def config_value(content, rng):
    """A field replaced, removed, renamed or added."""
    value = json.loads(content)
    for _ in range(rng.choice((1, 1, 1, 2))):
        holder, key = rng.choice(list(places(value)))
        kind = rng.randrange(8)
        if kind == 0:
            del holder[key]
        elif kind == 1 and isinstance(holder, dict):
            holder[rng.choice(("x", "a\nb", "\ud800", "__class__", "self", ""))] = holder.pop(key)
        else:
            holder[key] = copy.deepcopy(rng.choice(HOSTILE))
    return json.dumps(value).encode("utf-8", "surrogatepass")


def config_text(content, rng):
    """A value replaced in the text itself, by what no value of Python writes."""
    value = json.loads(content)
    holder, key = rng.choice(list(places(value)))
    holder[key] = "HERE"
    words = (
        "1" * 5000,
        "-",
        "1e999",
        "1E-999",
        "0x1",
        "tru",
        "'a'",
        "[1,]",
        '"\\u12"',
        "\u0663",
        "//",
        "1 2",
        '"\x01"',
    )
    text = rng.choice((nested(rng), nested(rng), *words))
    return json.dumps(value).replace('"HERE"', text).encode()


def config_family(content, rng):
    """The configuration of one family under the name of another, and other encodings."""
    if rng.random() < 0.5:
        return content.decode().encode(rng.choice(("utf-16", "utf-32", "utf-8-sig")))
    value = json.loads(content)
    value["family"] = rng.choice(("vae", "flow", "gan", "from_run", "denoiser", "..run", "os", "VAE", "vae "))
    return json.dumps(value).encode()


def config_seeds():
    for family, data in (
        ("vae", Spec("digits", (8, 8), 17, 10)),
        ("diffusion", Spec("ring", (2,))),
        ("flow", Spec("circle", (2,))),
        ("gan", Spec("mnist", (28, 28), 256, 10)),
    ):
        content = {
            "id": "0123456789abcdef",
            "family": family,
            "config": dataclasses.asdict(importlib.import_module(f"genjax.recipes.{family}").Config()),
            "data": data._asdict(),
            "provenance": {"data": {"train": "00"}, "versions": {"jax": "0"}, "settings": {}, "x64": False},
        }
        yield json.dumps(_plain(content)).encode()


def config_truth(content):
    known = json.loads(content.decode("utf-8"))
    for name in {"out", "classifier", "reflow"} & known["config"].keys():
        if known["config"][name] is not None:
            known["config"][name] = str(Path(known["config"][name]))
    return json.dumps([known[name] for name in ("family", "config", "data")], sort_keys=True)


def reader(folder: Path) -> Reader:
    """The reader of a run's configuration, by way of one file of a folder."""

    def reads(content):
        (folder / "config.json").write_bytes(content)
        recipe, config, data = _configured(RunFolder(folder))
        values = _plain([recipe.__name__.rsplit(".", 1)[1], dataclasses.asdict(config), data._asdict()])
        return json.dumps(values, sort_keys=True)

    mutations = config_value, config_value, config_text, config_family
    return Reader(reads, config_truth, tuple(config_seeds()), mutations)

"""Measure training steps per second of a VAE: genjax beside a PyTorch loop written for speed, on 2 CPU threads.

    python -m experiments.benchmarks.torch_vae                          # two minutes
    python -m experiments.benchmarks.torch_vae --out torch_vae.json
    python -m experiments.benchmarks.torch_vae --rounds 1 --steps 20    # a tiny run, in seconds

All sides train the same networks on the same random grey images, binarised anew at each step, and take turns in one
process per case. The matrix products of a step, alone, take turns too: the ratio to their rate says how well a step
uses the machine. PyTorch is measured on two threads and on one; genjax on two for the large case and on one for the
small case, whose kernels of microseconds lose more by being handed between threads than a second core gains
(`NPROC=1` does the same for a script). Run it on an idle machine: other work slows the sides unequally. PyTorch is no
dependency of genjax: `pip install torch`.
"""

import json
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib import util
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import tyro

from experiments.benchmarks.turns import Side, header, measure, summarise

THREADS = 2
NUM_EXAMPLES = 10_000
LEARNING_RATE = 1e-3


@dataclass(frozen=True)
class Config:
    """Compare training steps per second of genjax and PyTorch."""

    rounds: int = 7
    """Turns each side takes, after one to warm up."""
    steps: int = 300
    """Steps a turn of the large case; the small one takes ten times as many."""
    compile: bool = False
    """Measure torch.compile too; it needs a C++ compiler."""
    out: Path | None = None
    """JSON file for the results."""


class Case(NamedTuple):
    """Sizes of one comparison: encoder dims–hidden–2·latents, decoder latents–hidden–dims."""

    dims: int
    hidden: int
    latents: int
    batch_size: int
    steps_factor: int
    threads: int
    """Of genjax."""

    @property
    def num_parameters(self) -> int:
        """Weights and biases of both networks."""
        d, h, k = self.dims, self.hidden, self.latents
        return (d * h + h) + (h * 2 * k + 2 * k) + (k * h + h) + (h * d + d)


CASES = {"large": Case(784, 400, 20, 128, 1, THREADS), "small": Case(64, 64, 8, 64, 10, 1)}


def genjax_side(case: Case, data: Any) -> Side:
    """`fit` of the negative ELBO, as a user of the library writes it."""
    import jax
    import jax.numpy as jnp
    import optax
    from flax import nnx

    from genjax import expectation, nn, vae
    from genjax.densities import bernoulli_log_prob
    from genjax.training import fit, make_step

    encoder_init, encoder = nn.functional(
        lambda rngs: nn.GaussianMLP(case.dims, (case.hidden,), case.latents, activation=nnx.relu, rngs=rngs)
    )
    decoder_init, decoder = nn.functional(
        lambda rngs: nn.MLP(case.latents, (case.hidden,), case.dims, activation=nnx.relu, rngs=rngs)
    )

    def loss(params, key, grey):
        key_pixels, key_noise = jax.random.split(key)
        x = jax.random.bernoulli(key_pixels, grey).astype(grey.dtype)
        encode = partial(encoder, params["encoder"])
        log_likelihood = lambda x, z: bernoulli_log_prob(x, decoder(params["decoder"], z))
        return vae.negative_elbo(key_noise, encode, log_likelihood, x)

    init, step = make_step(
        lambda params, key, batch: expectation(partial(loss, params))(key, batch), optax.adam(LEARNING_RATE)
    )
    key_encoder, key_decoder, key_train = jax.random.split(jax.random.key(0), 3)
    state = init({"encoder": encoder_init(key_encoder), "decoder": decoder_init(key_decoder)})
    assert sum(leaf.size for leaf in jax.tree.leaves(state.params)) == case.num_parameters
    images = jnp.asarray(data)

    def side(num_steps: int) -> float:
        nonlocal state
        state, metrics = fit(
            key_train, step, state, images, num_steps=num_steps, batch_size=case.batch_size, donate=True
        )
        return float(metrics["loss"][-1])

    return side


def torch_side(case: Case, data: Any, *, threads: int = THREADS, compiled: bool = False) -> Side:
    """A loop over tensors in memory with fused Adam, no data loader and no synchronisation."""
    import torch  # pyright: ignore[reportMissingImports]
    from torch import nn  # pyright: ignore[reportMissingImports]
    from torch.nn.functional import binary_cross_entropy_with_logits  # pyright: ignore[reportMissingImports]

    torch.manual_seed(0)
    encoder = nn.Sequential(
        nn.Linear(case.dims, case.hidden), nn.ReLU(), nn.Linear(case.hidden, 2 * case.latents)
    )
    decoder = nn.Sequential(
        nn.Linear(case.latents, case.hidden), nn.ReLU(), nn.Linear(case.hidden, case.dims)
    )
    params = [*encoder.parameters(), *decoder.parameters()]
    assert sum(p.numel() for p in params) == case.num_parameters
    optimizer = torch.optim.Adam(params, lr=LEARNING_RATE, fused=True)
    images = torch.from_numpy(data)

    def negative_elbo(x: Any, noise: Any) -> Any:
        mean, raw = encoder(x).chunk(2, dim=1)
        log_var = 12.0 * torch.tanh(raw / 12.0)  # as nn.GaussianMLP
        logits = decoder(mean + torch.exp(log_var / 2) * noise)
        kl = 0.5 * (mean.square() + torch.expm1(log_var) - log_var).sum()
        return (binary_cross_entropy_with_logits(logits, x, reduction="sum") + kl) / case.batch_size

    objective = torch.compile(negative_elbo) if compiled else negative_elbo

    def side(num_steps: int) -> float:
        torch.set_num_threads(threads)
        loss = torch.zeros(())
        for _ in range(num_steps):
            grey = images.index_select(0, torch.randint(len(images), (case.batch_size,)))
            x = torch.rand_like(grey).lt_(grey)  # half the time of torch.bernoulli
            loss = objective(x, torch.randn(case.batch_size, case.latents))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        return loss.item()

    return side


def products_side(case: Case) -> Side:
    """The matrix products of one training step, forward and backward, and nothing else."""
    import jax
    import jax.numpy as jnp

    n, d, h, k = case.batch_size, case.dims, case.hidden, case.latents
    layers = [(d, h), (h, 2 * k), (k, h), (h, d)]
    forward = [(n, i, o) for i, o in layers]
    of_weights = [(i, n, o) for i, o in layers]
    of_inputs = [(n, o, i) for i, o in layers[1:]]  # no gradient is needed in the data
    factors = [(jnp.ones((a, b)), jnp.ones((b, c))) for a, b, c in forward + of_weights + of_inputs]

    @jax.jit
    def run(factors, num_steps):
        def step(i, carried):
            # Each step's factors depend on the step before, or a compiler would compute the products once.
            products = [a.at[0, 0].add(carried) @ b for a, b in factors]
            return sum(product[0, 0] for product in products) * 1e-9

        return jax.lax.fori_loop(0, num_steps, step, jnp.zeros(()))

    return lambda num_steps: float(run(factors, num_steps))


def run_case(case: Case, config: Config) -> dict[str, list[float]]:
    """The rates of all sides of one case, in a process of its own: XLA counts its threads when it starts."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:THREADS])
    # Spinning briefly, OpenMP's threads are as fast on an idle machine as by default (300,000), and PyTorch slows
    # down beside other work by 2 and not by 13. PASSIVE would cost it a fifth, ACTIVE takes a core from genjax.
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    os.environ["JAX_PLATFORMS"] = "cpu"
    os.environ["NPROC"] = str(case.threads)  # read by XLA alone
    import numpy as np

    data = np.random.default_rng(0).random((NUM_EXAMPLES, case.dims), dtype=np.float32)
    sides = {
        "genjax": genjax_side(case, data),
        "torch": torch_side(case, data),
        "torch, 1 thread": torch_side(case, data, threads=1),
        "products alone": products_side(case),
    }
    if config.compile:
        sides["torch.compile"] = torch_side(case, data, compiled=True)
    return measure(sides, config.steps * case.steps_factor, config.rounds)


def main(config: Config) -> None:
    if min(config.rounds, config.steps) < 1:
        raise SystemExit("torch_vae.py: --rounds and --steps must be at least 1")
    if util.find_spec("torch") is None:
        raise SystemExit("torch_vae.py: PyTorch is missing; install it with `pip install torch`")
    results: dict[str, Any] = header("jax", "flax", "optax", "torch", "numpy")
    results |= {"schema_version": 3, "threads_of_torch": THREADS, "rounds": config.rounds, "cases": {}}
    print(f"{'case':7}{'side':18}{'steps/s':>9}   genjax's ratio to it: median (min–max)")
    for label, case in CASES.items():
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            rates = pool.submit(run_case, case, config).result()
        summary = summarise(rates)
        results["cases"][label] = {
            **case._asdict(),
            "parameters": case.num_parameters,
            "steps": config.steps * case.steps_factor,
            "sides": summary,
            "rates": rates,
        }
        for name, row in summary.items():
            ratio = f"{row['ratio']:.2f} ({row['ratio_min']:.2f}–{row['ratio_max']:.2f})"
            side = f"genjax, {case.threads} thread{'s' * (case.threads > 1)}" if name == "genjax" else name
            print(
                f"{label:7}{side:18}{row['steps_per_second']:9.0f}   {'' if name == 'genjax' else ratio}",
                flush=True,
            )
    if config.out:
        config.out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(tyro.cli(Config))

"""Samplers and metrics on rows that lie on eight devices, against the same rows on one.

XLA_FLAGS=--xla_force_host_platform_device_count=8 python -m tests.distributed.parts
"""

from functools import partial

import grain
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from genjax import diffusion, flow_matching, metrics, score
from genjax.oracles import GaussianMixture
from genjax.training import fit_stream, make_step
from genjax.training.mesh import make_mesh, split_batch, split_state

NUM = 64
SCHEDULE = diffusion.variance_preserving()
MIXTURE = GaussianMixture(
    jnp.array([0.3, 0.7]), jnp.array([[-1.0, 0.0], [1.5, 0.5]]), jnp.stack([jnp.eye(2) * 0.2] * 2)
)
CENTERS = jnp.array([[-1.0, 0.0], [1.5, 0.5]])


def sampled(sampler):
    """Samples of a mixture, whose score is known, by a rule."""
    draw = lambda key, x: diffusion.sample(
        key, MIXTURE.noise_fn(SCHEDULE), SCHEDULE, x, num_steps=5, sampler=sampler
    )
    return lambda x, _: jax.vmap(draw)(jax.random.split(jax.random.key(0), NUM), x)


FUNCTIONS = {
    "frechet_distance": metrics.frechet_distance,
    "kernel_distance": metrics.kernel_distance,
    "precision_recall": metrics.precision_recall,
    "density_coverage": metrics.density_coverage,
    "sliced_wasserstein": partial(metrics.sliced_wasserstein, jax.random.key(1)),
    "diversity": lambda a, b: metrics.diversity(a),
    "mode_coverage": lambda a, b: metrics.mode_coverage(a, CENTERS, std=0.45),
    "ancestral": sampled(diffusion.ancestral()),
    "ddim": sampled(diffusion.ddim()),
    "heun": sampled(diffusion.heun()),
    "dpm_solver_pp_2m": sampled(diffusion.dpm_solver_pp_2m()),
    "euler_maruyama": sampled(diffusion.euler_maruyama()),
    "langevin": lambda x, _: score.langevin(
        jax.random.key(2), jax.vmap(MIXTURE.score), x, step_size=0.01, num_steps=5
    ),
    "flow_matching.sample": lambda x, _: jax.vmap(
        lambda x: flow_matching.sample(lambda x, t: -x * t, x, num_steps=5)
    )(x),
}


def streamed(mesh) -> float:
    """The largest difference that a mesh makes to training on batches that Grain reads."""
    batches = (
        grain.MapDataset.source(np.linspace(-1, 1, 64, dtype=np.float32)).shuffle(seed=0).repeat().batch(16)
    )
    init, step = make_step(lambda p, key, x: jnp.mean((p - x) ** 2), optax.adam(0.1))
    run = lambda: fit_stream(jax.random.key(0), step, init(jnp.zeros(())), batches, num_steps=20)[1]["loss"]
    one = np.asarray(run())
    with jax.set_mesh(mesh):
        eight = np.asarray(run())
    np.testing.assert_allclose(eight, one, rtol=1e-5)
    return float(np.abs(eight - one).max())


def placed() -> None:
    """Loss curves cannot show it: each device holds its part of a state and of a batch, and no more."""
    part = lambda array: array.addressable_shards[0].data.shape
    with jax.set_mesh(make_mesh({"data": 2, "fsdp": 4})):
        state = jax.jit(partial(split_state, leading=1))(
            {"w": jnp.zeros((3, 64, 32)), "b": jnp.zeros((3, 8))}
        )
        batch = jax.jit(split_batch)(jnp.zeros((16, 5)))
    assert part(state["w"]) == (3, 16, 32), part(state["w"])
    assert part(state["b"]) == (3, 8), part(state["b"])
    assert part(batch) == (2, 5), part(batch)


def main() -> None:
    placed()
    devices = jax.device_count()
    assert devices == 8, f"eight devices are needed; got {devices}"
    mesh = jax.make_mesh((devices,), ("data",), axis_types=(AxisType.Auto,))
    split = NamedSharding(mesh, PartitionSpec("data"))
    a, b = jax.random.normal(jax.random.key(3), (2, NUM, 2)) * jnp.array([1.0, 1.3])[:, None, None]
    largest = 0.0
    for name, fn in FUNCTIONS.items():
        one, eight = jax.jit(fn)(a, b), jax.jit(fn)(*jax.device_put((a, b), split))
        for x, y in zip(jax.tree.leaves(one), jax.tree.leaves(eight), strict=True):
            np.testing.assert_allclose(y, x, rtol=1e-4, atol=1e-5, err_msg=name)
            largest = max(largest, float(jnp.max(jnp.abs(x - jnp.asarray(np.asarray(y))))))
    print(
        f"samplers and metrics on {devices} devices: {len(FUNCTIONS)} functions, largest difference {largest:.1e}"
    )
    print(f"batches that Grain reads, on {devices} devices: largest difference {streamed(mesh):.1e}")


if __name__ == "__main__":
    main()

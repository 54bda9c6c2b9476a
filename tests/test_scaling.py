"""What is read off a compiled program is what its mathematics needs."""

import jax
import jax.numpy as jnp

from experiments.scaling import counted


def test_products_in_a_loop_count_as_often_as_it_runs():
    w = jnp.ones((8, 8))

    def fn(x, y):
        x, _ = jax.lax.scan(lambda x, _: (jnp.tanh(x @ w), None), x, length=5)
        return x @ y

    program = jax.jit(fn).lower(jnp.ones((4, 8)), jnp.ones((8, 3))).compile()
    assert counted(program.as_text()) == (5 * 2 * 4 * 8 * 8 + 2 * 4 * 8 * 3, {})


def test_collectives_count_the_bytes_they_bring():
    """The form that the compiler writes on eight devices."""
    text = """
HloModule step

%body (p: (s32[], f32[2,16])) -> (s32[], f32[2,16]) {
  %p = (s32[], f32[2,16]{1,0}) parameter(0)
  %x = f32[2,16]{1,0} get-tuple-element(%p), index=1
  ROOT %all-gather.1 = f32[64,64]{1,0} all-gather(%x), channel_id=5, dimensions={0}
}

ENTRY %main (a: f32[2,16]) -> f32[2,16] {
  %a = f32[2,16]{1,0} parameter(0)
  %loop = (s32[], f32[2,16]{1,0}) while(%a), body=%body, backend_config={"known_trip_count":{"n":"3"}}
  ROOT %sum = (bf16[10]{0}, f32[]) all-reduce-start(%a), channel_id=7
}
"""
    assert counted(text) == (0, {"all-gather": 3 * 64 * 64 * 4, "all-reduce": 10 * 2 + 4})

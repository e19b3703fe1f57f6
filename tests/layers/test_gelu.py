"""GELU: torch's own function and derivative, whichever way it is computed."""

from __future__ import annotations

import torch

from icl_bench.layers.gelu import TanhGelu


def test_value_and_gradient_are_torchs_own() -> None:
    x = torch.cat([torch.linspace(-60, 60, 4001, dtype=torch.float64), torch.tensor([0.0, -0.0, 1e-30, 1e15])])
    gradients, values = [], []
    for function in (TanhGelu(), torch.nn.GELU(approximate="tanh")):
        leaf = x.clone().requires_grad_()
        values.append(function(leaf))
        values[-1].sum().backward()
        assert leaf.grad is not None
        gradients.append(leaf.grad)
    torch.testing.assert_close(values[0], values[1], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-11, atol=1e-12)


def test_the_gradient_is_that_of_the_values() -> None:
    x = torch.randn(40, generator=torch.Generator().manual_seed(0), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(TanhGelu(), (x,))


def test_without_a_gradient_and_in_low_precision_it_is_torchs_own() -> None:
    x = torch.linspace(-5, 5, 101)
    assert torch.equal(TanhGelu()(x), torch.nn.functional.gelu(x, approximate="tanh"))
    low = x.bfloat16().requires_grad_()
    assert torch.equal(TanhGelu()(low), torch.nn.functional.gelu(low, approximate="tanh"))

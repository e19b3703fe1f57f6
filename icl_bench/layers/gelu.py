"""GELU in its tanh form, with a derivative that costs one product on the way back."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import gelu

_LINEAR = 2.0 * math.sqrt(2.0 / math.pi)
_CUBIC = 0.044715 * _LINEAR


class _TanhGelu(torch.autograd.Function):
    """x s with s = sigmoid(u), u = a x + b x^3, which is x (1 + tanh(u / 2)) / 2 (Hendrycks & Gimpel 1606.08415).

    The derivative s + x s (1 - s) (a + 3 b x^2) is made on the way forward, where all of it is at hand, and in place:
    on a CPU both ways together take about a third of torch's own time, most of which goes into two tanh.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        slope = (x * x).mul_(3.0 * _CUBIC).add_(_LINEAR)  # a + 3 b x^2
        gate = (slope + 2.0 * _LINEAR).mul_(x).mul_(1.0 / 3.0).sigmoid_()  # s
        result = x * gate
        ctx.save_for_backward(torch.addcmul(result, result, gate, value=-1.0).mul_(slope).add_(gate))
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (derivative,) = ctx.saved_tensors
        product: Tensor = gradient * derivative
        return product


class TanhGelu(nn.Module):
    """GELU, tanh form, as GPT-2 has it: torch's own but where a CPU trains in full precision."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the same shape."""
        trains = x.requires_grad and torch.is_grad_enabled()
        if trains and x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64):
            result: Tensor = _TanhGelu.apply(x)  # type: ignore[no-untyped-call]
            return result
        return gelu(x, approximate="tanh")

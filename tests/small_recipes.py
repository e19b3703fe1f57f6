"""Recipes that train in a second: one on sampled prompts, one on the population loss."""

from __future__ import annotations

RECIPE = """[recipe]
name = "small"
version = 1

[network]
use = "gpt2"
n_layers = 1
width = 16
layout = "paired"
positions = "none"

[prompts]
n_dims = 2
context_sizes = "0:6"
noise_std = 0.5

[optimisation]
n_steps = 40
batch_size = 64
learning_rate = 1e-2
warmup = 5
average = 0.9
target = "function"

[evaluation]
every = 20
n_prompts = 256
"""

POPULATION = """[recipe]
name = "population"
version = 1

[network]
use = "linear_attention_layer"

[prompts]
n_dims = {d}
context_sizes = [{n}]
{mixture}
[optimisation]
n_steps = 600
optimiser = "adam"
learning_rate = 2e-2
clip = 0.0
target = "population"
precision = "float64"

[evaluation]
n_prompts = 256
"""

RANDOM = '\n[[mixture]]\nscenarios = [{ use = "covariate/random_diagonal", severity = 1.0 }]\n'
"""For the mixture of POPULATION: a covariance of its own for every prompt."""

"""Our own checkpoint folder: card.toml and the weights it names, written so that a crash leaves the old or the new."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save
from torch import nn

from icl_bench.checkpoints.building import architecture_of, expected_forms, filled
from icl_bench.checkpoints.card import Card, Weights
from icl_bench.checkpoints.card_file import card_text, read_card
from icl_bench.checkpoints.safetensors_file import read_forms, read_tensors
from icl_bench.checkpoints.weights import (
    check_finite,
    check_forms,
    common_dtype,
    forms_of,
    n_parameters,
    tensors_of,
    weights_digest,
)
from icl_bench.errors import CheckpointError, OutputError
from icl_bench.files import whole
from icl_bench.layers.architecture import Architecture
from icl_bench.layers.learner import Learner

CARD = "card.toml"
WEIGHTS = ("weights.safetensors", "weights.b.safetensors")
"""Names of the weights; the second is for new weights while the card still names the first, and the other way round."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A trained network, and its card when it came with one."""

    card: Card | None
    learner: Learner
    n_dims: int


def write_checkpoint(folder: str | Path, learner: nn.Module, card: Card, *, replace: bool = False) -> Card:
    """Write weights and card into `folder` (made if need be, other files in it are left alone); return the card.

    The card's `weights` are filled in. The card is written last and renamed into place, and never names a file that is
    not whole on disk: a crash leaves the folder as it was, or done. Raises CheckpointError when the folder holds a
    checkpoint already and `replace` is False, or for weights that are not finite; OutputError when the disk refuses.
    """
    folder = Path(folder)
    if (folder / CARD).exists() and not replace:
        raise CheckpointError(f"{folder} holds a checkpoint already; expected another folder, or replace=True")
    tensors = tensors_of(learner)
    check_finite(tensors, "the network to be written")
    dtype = str(common_dtype(forms_of(learner).values())).removeprefix("torch.")
    weights = Weights(weights_digest(tensors), n_parameters(learner), dtype, _free_name(folder))
    card = dataclasses.replace(card, weights=weights)
    text = card_text(card)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with whole(folder / weights.file) as temporary:
            temporary.write_bytes(save(tensors, {"format": "pt"}))
        with whole(folder / CARD) as temporary:
            temporary.write_text(text, encoding="utf-8")
        _tidy(folder, weights.file)
    except OSError as error:
        raise OutputError(
            f"{folder} cannot be written: {error.strerror or error}; free space or mend its permissions; what was there"
            " before is kept"
        ) from error
    return card


def _tidy(folder: Path, kept: str) -> None:
    """Remove the weights that the card names no more, and what a killed writer left."""
    stale = [folder / name for name in WEIGHTS if name != kept]
    stale += [path for name in (CARD, *WEIGHTS) for path in folder.glob(f".{name}.*.tmp")]
    for path in stale:
        path.unlink(missing_ok=True)


def _free_name(folder: Path) -> str:
    """Return the name for new weights: one that the card in place does not name."""
    if not (folder / CARD).exists():
        return WEIGHTS[0]
    try:
        taken = read_card(folder / CARD).weights.file
    except CheckpointError:
        return WEIGHTS[0]
    return WEIGHTS[1] if taken == WEIGHTS[0] else WEIGHTS[0]


def read_checkpoint(folder: str | Path, architecture: Architecture | None = None) -> Checkpoint:
    """Read a folder that `write_checkpoint` wrote, its weights checked against card and network.

    `architecture` stands in for the card's, for networks that are not in the catalogue. Raises CheckpointError when
    anything is missing, damaged, or not what the card says; runs no code from the folder, and takes no memory for
    tensors before their shapes are known to be right.
    """
    folder = Path(folder)
    if not (folder / CARD).is_file():
        raise CheckpointError(f"{folder}: {_lack(folder)}")
    card = read_card(folder / CARD)
    where = str(folder / CARD)
    architecture = architecture or architecture_of(card.architecture, card.arguments, where)
    path = folder / card.weights.file
    forms = read_forms(path)
    dtype = torch.float64 if card.weights.dtype == "float64" else torch.float32
    check_forms(forms, expected_forms(architecture, card.n_dims, dtype, where), str(path))
    tensors = read_tensors(path, list(forms))
    check_finite(tensors, str(path))
    found = weights_digest(tensors)
    if found != card.weights.digest:
        raise CheckpointError(
            f"{path}: the weights are not the ones the card describes: expected digest {card.weights.digest}, got"
            f" {found}; restore both files from where they came"
        )
    learner = filled(architecture, card.n_dims, tensors, where)
    if n_parameters(learner) != card.weights.n_parameters:
        raise CheckpointError(
            f"{where}: expected {n_parameters(learner)} parameters, as its network has, got"
            f" n_parameters = {card.weights.n_parameters}; restore the card from where it came"
        )
    return Checkpoint(card, learner, card.n_dims)


def _lack(folder: Path) -> str:
    if not folder.exists():
        return "no such folder; expected a checkpoint folder with card.toml and weights.safetensors"
    if not folder.is_dir():
        return "expected a checkpoint folder, got a file; a bare state dict also needs `architecture` and `n_dims`"
    return "expected a checkpoint folder, but it has no card.toml; a training that has not finished writes none"

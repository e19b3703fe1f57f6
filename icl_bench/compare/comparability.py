"""Whether two runs asked the same questions: suite, version and prompts; what differs elsewhere is noted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from icl_bench.errors import NotComparableError
from icl_bench.places import Place
from icl_bench.tables.loss_sets import LossSet, StoredLosses
from icl_bench.tables.manifest import Manifest

Key = tuple[Place, int]
"""Place and seed: what names a prompt set."""

_SHOWN = 3
"""Differences that a message spells out."""


def check_suite(base: Manifest, head: Manifest) -> None:
    """Raise NotComparableError unless both are of one suite in one version."""
    if (base.suite, base.suite_version) == (head.suite, head.suite_version):
        return
    raise NotComparableError(
        f"BASE is of the suite {base.suite!r} version {base.suite_version}, HEAD of {head.suite!r} version"
        f" {head.suite_version}: they ask different questions; run both with one suite file"
        " (a committed baseline is renewed with --update)"
    )


def check_prompts(
    base: StoredLosses, head: StoredLosses, bases: Mapping[Key, LossSet], heads: Mapping[Key, LossSet]
) -> None:
    """Raise NotComparableError when prompts differ: other seeds, counts or severities, or another draw."""
    differences = [*_other_sets(bases, heads), *_other_prompts(bases, heads)]
    if not differences:
        return
    more = f"; and {len(differences) - _SHOWN} more" if len(differences) > _SHOWN else ""
    raise NotComparableError(
        f"the prompts of {base.folder} and {head.folder} differ: {'; '.join(differences[:_SHOWN])}{more}."
        " Run both with the same suite file, seeds and --prompts (a committed baseline is renewed with --update)"
    )


def _other_sets(bases: Mapping[Key, LossSet], heads: Mapping[Key, LossSet]) -> Iterator[str]:
    """Yield the scenarios in which each run has severities or seeds that the other lacks.

    Where only one of them has more, it was asked more: those cells are missing, or new.
    """
    for scenario in dict.fromkeys(place.scenario for place, _ in bases):
        own = [key for key in bases if key[0].scenario == scenario and key not in heads]
        others = [key for key in heads if key[0].scenario == scenario and key not in bases]
        if own and others:
            yield f"BASE has {bases[own[0]].name}, HEAD has {heads[others[0]].name} instead"


def _other_prompts(bases: Mapping[Key, LossSet], heads: Mapping[Key, LossSet]) -> Iterator[str]:
    """Yield the prompt sets that have one name and other prompts."""
    for key, one in bases.items():
        other = heads.get(key)
        if other is None:
            continue
        if one.n_prompts != other.n_prompts:
            yield f"{one.name}: {one.n_prompts:,} prompts in BASE, {other.n_prompts:,} in HEAD"
        elif one.digests != other.digests:
            yield f"{one.name}: other digests, so other draws or another law under the same name"


def differing_provenance(base: Manifest, head: Manifest) -> tuple[str, ...]:
    """Return what else differs and may move a number: device, versions, code, definitions of models."""
    notes = []
    for name in ("device", "dtype"):
        one, other = getattr(base, name), getattr(head, name)
        if one != other:
            notes.append(f"{name}: {one} in BASE, {other} in HEAD")
    moved = [
        f"{name} {base.versions.get(name, '?')} -> {head.versions.get(name, '?')}"
        for name in dict.fromkeys([*base.versions, *head.versions])
        if base.versions.get(name) != head.versions.get(name)
    ]
    if moved:
        notes.append(f"versions: {', '.join(moved)}")
    if base.machine.get("processor") != head.machine.get("processor"):
        notes.append(f"processor: {base.machine.get('processor', '?')} -> {head.machine.get('processor', '?')}")
    if base.code_digest != head.code_digest:
        notes.append("icl-bench's own code differs")
    shared = [model for model in head.models if model in base.models]
    changed = [model for model in shared if base.models[model] != head.models[model]]
    if changed and len(changed) == len(shared):
        notes.append(f"the definition of every model differs ({len(shared)})")
    elif changed:
        notes.append(f"the definition differs of: {', '.join(changed)}")
    return tuple(notes)

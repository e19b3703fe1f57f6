"""What a gate is asked, and what of it is refused before the suite is run: no minutes are spent on a bad baseline."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from icl_bench.errors import IncompleteError, NotComparableError, TableError, UsageError
from icl_bench.shipped import suite_file

if TYPE_CHECKING:
    from icl_bench.suites.plan import Plan
    from icl_bench.suites.suite import Suite
    from icl_bench.tables.loss_sets import StoredLosses


@dataclass(frozen=True)
class GateRequest:
    """One gate: a suite, whole or in part, and the baseline that it is held against."""

    suite: Path  # as it was typed: a file, or a name of one that ships
    baseline: Path
    wanted_out: Path | None
    models: tuple[str, ...] = ()  # names or globs; none: all
    scenarios: tuple[str, ...] = ()
    n_prompts: int | None = None
    seeds: tuple[int, ...] = ()
    device: str = "cpu"
    metric: str | None = None
    is_nightly: bool = False

    @cached_property
    def _suite(self) -> Suite:
        from icl_bench.suites.suite import with_n_prompts, with_seeds
        from icl_bench.suites.suite_file import load_suite

        suite = load_suite(suite_file(self.suite))
        suite = suite if self.n_prompts is None else with_n_prompts(suite, self.n_prompts)
        return with_seeds(suite, self.seeds) if self.seeds else suite

    @cached_property
    def _plan(self) -> Plan:
        from icl_bench.suites.plan import make_plan

        return make_plan(self._suite, self.models, self.scenarios)

    @property
    def out(self) -> Path:
        """The results folder."""
        return Path("results") / f"gate-{self._suite.name}" if self.wanted_out is None else self.wanted_out

    @property
    def way_to_a_baseline(self) -> str:
        """The commands that make the baseline of just this gate."""
        narrowed: list[str] = []
        for option, values in (("--models", self.models), ("--scenarios", self.scenarios), ("--seeds", self.seeds)):
            if values:
                narrowed += [option, ",".join(map(str, values))]
        if self.n_prompts is not None:
            narrowed += ["--prompts", str(self.n_prompts)]
        if self.device != "cpu":
            narrowed += ["--device", self.device]
        run = ["icl-bench", "run", str(self.suite), *narrowed, "--out"]
        made = self._place_of_a_baseline
        if self.is_nightly:
            return shlex.join([*run, str(made)])
        first = made.with_name(f"{made.name}-run")
        compare = ["icl-bench", "compare", str(made), str(first), "--update"]
        if self.metric is not None:
            compare += ["--metric", self.metric]
        return f"{shlex.join([*run, str(first)])} && {shlex.join(compare)}"

    @property
    def _place_of_a_baseline(self) -> Path:
        """Where one can be written: the folder that was given, unless it holds what `--update` does not replace."""
        from icl_bench.compare.baseline_folder import check_baseline_folder

        try:
            check_baseline_folder(self.baseline)
        except (UsageError, NotComparableError):
            return self.baseline.with_name(f"{self.baseline.name}-baseline")
        return self.baseline

    def check_out(self) -> str | None:
        """Return when the run was started that this one will replace in the results folder; None where none is there.

        Raises UsageError where the results folder is, holds or lies in the baseline, RunFolderError for what nobody
        meant to be deleted, SuiteError for a bad suite.
        """
        from icl_bench.run.folder import check_replaceable

        out, baseline = self.out.resolve(), self.baseline.resolve()
        if out == baseline:
            raise UsageError(f"--out {self.out} is the baseline: the run would replace it; give another --out")
        if out in baseline.parents or baseline in out.parents:
            raise UsageError(
                f"--out {self.out} and --baseline {self.baseline} lie in one another: the run replaces all that is in"
                " its folder; give another --out"
            )
        return check_replaceable(self.out, self._suite.name)

    def open_baseline(self) -> StoredLosses:
        """Return the baseline's losses, narrowed as the gate is, all of them sound.

        Raises UsageError or TableError where there is none or it is damaged, NotComparableError where it answers other
        questions than the suite asks, IncompleteError where it answers none.
        """
        from icl_bench.tables.stored_losses import open_losses

        self._check_baseline_is_there()
        try:
            losses = self._narrowed(open_losses(self.baseline))
            self._check_asked(losses)
            self._check_sound(losses)
        except TableError as error:
            raise TableError(f"--baseline: {error}; or make it anew: {self.way_to_a_baseline}") from error
        return losses

    def _check_baseline_is_there(self) -> None:
        if (self.baseline / "manifest.json").exists():
            return
        if not self.baseline.exists():
            what = "is not there"
        elif not self.baseline.is_dir():
            what = "is a file, where the folder of a baseline or a run is expected"
        else:
            what = "is neither a baseline nor a run: it has no manifest.json"
        raise UsageError(
            f"--baseline {self.baseline} {what}; a baseline is made, from a state whose scores you accept, by:"
            f" {self.way_to_a_baseline}"
        )

    def _narrowed(self, losses: StoredLosses) -> StoredLosses:
        """Return the part of a baseline that the gate asks for; what the suite has dropped since stays, as missing."""
        from icl_bench.names import chosen
        from icl_bench.tables.narrowed_losses import NarrowedLosses

        plan = self._plan  # refuses a name that the suite does not have
        if not self.models and not self.scenarios:
            return losses
        scenarios = dict.fromkeys(loss_set.place.scenario for loss_set in losses.sets)
        models = chosen(tuple(losses.manifest.models), self.models)
        return NarrowedLosses(losses, {*plan.models, *models}, set(chosen(tuple(scenarios), self.scenarios)))

    def _check_asked(self, base: StoredLosses) -> None:
        """Refuse another suite and other prompts, as far as can be told before any is drawn; and a loss that lacks."""
        from icl_bench.compare.metric import loss_columns

        manifest, suite = base.manifest, self._suite
        if (manifest.suite, manifest.suite_version) != (suite.name, suite.version):
            raise NotComparableError(
                f"--baseline {self.baseline} is of the suite {manifest.suite!r} version {manifest.suite_version},"
                f" {self.suite} is {suite.name!r} version {suite.version}: they ask different questions; give the"
                f" baseline of this suite, made by: {self.way_to_a_baseline}"
            )
        self._check_prompts(base)
        known = loss_columns(base)
        if not known:
            raise IncompleteError(
                f"--baseline {self.baseline} holds no loss to compare with: no cell that is asked for was answered in"
                f" it; make it anew: {self.way_to_a_baseline}"
            )
        if self.metric is not None and self.metric not in known:
            told = f"--metric {self.metric}: --baseline {self.baseline} holds {', '.join(known)}"
            if self.metric in {spec.label for spec in suite.metrics}:
                raise NotComparableError(
                    f"{told}; a baseline keeps one loss and what skill needs, chosen by: {self.way_to_a_baseline}"
                )
            raise UsageError(told)

    def _check_prompts(self, base: StoredLosses) -> None:
        held = {loss_set.key: loss_set for loss_set in base.sets}
        asked = {(item.place, item.seed): item for item in self._plan.prompt_sets}
        shared = [key for key in asked if key in held]
        if held and not shared:
            differs = f"it has {next(iter(held.values())).name}, the gate asks {next(iter(asked.values())).key}"
        else:
            other = [key for key in shared if held[key].n_prompts != asked[key].n_prompts]
            if not other or base.manifest.status == "running":
                return  # an unfinished run lacks prompts, and is told as incomplete
            differs = (
                f"{held[other[0]].name}: {held[other[0]].n_prompts:,} prompts in it, {asked[other[0]].n_prompts:,}"
                " asked"
            )
        raise NotComparableError(
            f"--baseline {self.baseline} was asked other prompts ({differs}): give its --seeds and --prompts, or make"
            f" it anew: {self.way_to_a_baseline}"
        )

    def _check_sound(self, base: StoredLosses) -> None:
        """Read all that will be compared: TableError where it is damaged."""
        from icl_bench.compare.metric import common_metric
        from icl_bench.tables.metric_roles import MetricRoles

        roles = MetricRoles(base.manifest.metric_cards)
        columns = [common_metric(base, base, self.metric), *([roles.excess] if roles.excess else []), *roles.of_prompts]
        for loss_set in base.sets:
            base.read(loss_set, list(dict.fromkeys(columns)))

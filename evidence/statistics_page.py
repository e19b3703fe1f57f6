"""The text of docs/statistics.md, with a place for every simulated table."""

from __future__ import annotations

PAGE_TEXT = """# Statistics, and how often they err

Made by `python -m evidence.operating_characteristics`, text and simulated tables. Their entries are shares of simulated
runs with their Monte Carlo standard error: {repetitions} repetitions, {many} for the gate, for coverage and for power.
Seeds are fixed. `tests/statistics/test_operating_characteristics.py` holds the same simulations to these claims with
fewer repetitions. What was measured on losses of real runs stands beside the command that measures it.

The prompt is the unit of replication: losses are averaged within a prompt first. Where prompts share a random part (a
covariance, a task pool), the cluster of prompts that shares it takes the prompt's place.

Simulated losses have mean 1. *Squared normal* is the square of a normal error (CV^2 = 2, the squared coefficient of
variation). *Lognormal* losses have longer tails at the same CV^2. *F(1, v)* is the square of a normal error over the
mean of v squares, the shape of least squares near k = d: its tail index is v / 2, so that it has no variance and for
v <= 2 no mean. Base and head answer the same prompts and their losses are correlated .9, unless a table says
otherwise.

## Skill: `statistics/skill.py`

With the Bayes prediction b, an answer's distance e to it, the cap c = (2 E|b|)^2, A = E min(e^2, c) and B = E min(b^2,
c), skill is 1 - A/B where A <= B, else -(A - B)/(c - B): 1 is Bayes, 0 predicting zero, -1 the worst possible. Every
term is bounded, so that the mean and its interval exist for any learner, under any tail.

*Interval.* Each prompt's influence on the score (Hampel 1974), that on the cap included; Student's t with prompts (or
clusters) less one as degrees. One adverse prompt more than was drawn is counted: one more answer at the cap for the
lower end and, of a single cell, one more without error for the upper. Over scenarios, axes and the whole run the
influences are added up prompt by prompt, since all severities share their prompts. A cell that no model answered is -1,
without error. A difference of two models or runs has the t interval of the differences of their influences.

Measured on all prompts of a run of `quick` (20,480 prompts, context size 16, 31 shifted cells x 15 models), taken for
the whole truth, from which 1,000 samples were drawn: shares of 95% intervals that hold it. *Run level* and
*differences* (to the best model) are from the least to the most over models.

| prompts | cells: mean | cells: least | run level | differences |
|---|---|---|---|---|
| 256 | .988 | .948 | .965 to .994 | .938 to .964 |
| 1,024 | .981 | .943 | .962 to .991 | .937 to .957 |
| 4,096 | .973 | .935 | .938 to .967 | .925 to .950 |
| 4 clusters of 64 of like size | .931 | .522 | .762 to .998 | |
| 16 clusters of 64 of like size | .948 | .589 | .896 to .968 | |
| 64 clusters of 64 of like size | .964 | .634 | .942 to .962 | |

`python -m evidence.skill_coverage RUN --parts independent sorted`. Prompts are sorted by |b| into the clusters of the
last three rows, which no law does: a cluster then shows one size of |b| only, and intervals of single cells can fail.
Where clusters share draws as a law makes them, they hold. In the next table (8,192 prompts of such a run, 1,000
samples; `--parts shared`) each cluster shares a factor of b^2 and e^2 with this CV^2, and another of e^2, CV^2 a
quarter of it:

| clusters | cells: mean | cells: least | run level | differences |
|---|---|---|---|---|
| 4 of 64, CV^2 0.25 | .963 | .911 | .934 to .994 | .931 to .953 |
| 16 of 64, CV^2 0.25 | .967 | .920 | .943 to .988 | .938 to .953 |
| 64 of 64, CV^2 0.25 | .964 | .929 | .937 to .975 | .924 to .947 |
| 4 of 64, CV^2 1 | .952 | .883 | .926 to .989 | .921 to .946 |
| 16 of 64, CV^2 1 | .961 | .907 | .942 to .981 | .933 to .955 |
| 64 of 64, CV^2 1 | .964 | .924 | .948 to .974 | .929 to .960 |

## Ranks: `statistics/ranks.py`

Every pair of ranked models is tested, two-sided, the better one charged one more answer at the cap, and Holm's
procedure is applied to all pairs. A model's rank lies between one more than the number that are significantly better
and the number of models less those that are significantly worse (Mogstad et al. 2024). The chance that any of these
intervals misses is at most 5%. There are no groups of ties, which chain: overlapping intervals say that models are not
told apart.

All rank intervals together held in these shares of 2,000 simulated runs of 512 prompts (`--parts ranks`):

| models | all equal | in four groups | spread evenly |
|---|---|---|---|
| 15 | .996 | .987 | 1.000 |
| 50 | .997 | .990 | 1.000 |

## Means, ratios and medians: `statistics/contrasts.py`, `intervals.py`, `quantiles.py`

*Means*: Student's t over clusters, bent by Hall's (1992) transformation, which takes the skewness out of the
studentised mean.

*Logarithms of means*, and all that is made of them (ratios, SDR, AUSC, interactions of joint shifts): every estimate
comes with its influences, and a sum of estimates has the sum of their influences, so that what they share cancels.
`contrast` averages influences within clusters and uses Student's t with the number of clusters less one as degrees
(Cameron and Miller 2015). The influences are those of the jackknife, exactly: how the logarithm moves without one
cluster (Efron and Stein 1981). The delta method understates the variance of a paired log ratio by 4% at 256 prompts
with CV^2 = 2 and by 19% with CV^2 = 8; a jackknife cut off after its third term, for base and head apart, was red in 20
of 20 comparisons without a change where losses are heavy-tailed.

*Medians* and other quantiles: the interval between order statistics (David and Nagaraja 2003), whatever the tails. They
are reported where no mean exists, and judge nothing.

Coverage of 95% intervals. SDR is the contrast of four log means, AUSC the average of three log ratios, each with
kappa = 0.25 added to the mean. The last column is the interval of the gate, described below.

{coverage}

With CV^2 up to 2 intervals cover 94-96%. With CV^2 = 8 those of a mean and of AUSC cover a point or two less below some
1,024 prompts: the sample often misses the few prompts that make up the mean, and no interval made from the sample can
know. The gate counts one adverse prompt more and covers 95-99%, whatever the tails.

Clusters of 64 prompts that share a level; base and head share one factor of it, each has another of CV^2 = 0.1:

{clusters}

With 16 clusters the interval of a ratio covers 92-94%, that of a mean 93-94%. 32 clusters are enough for all. In the
gate, 16 clusters are too few for means, whatever the losses: their losses are cut.

## Intervals that are denied, and nominal ones: `statistics/tails.py`, `effective_number.py`

A mean is printed where the loss's tail index is above 1, its interval where it is above 2 and the mean rests on at
least 30 effective prompts, (sum l)^2 / sum l^2 (Kish 1965); of few clusters, on half of them. Else the row says why.
Where theory gives the index (least squares and its kin) it is exact. Elsewhere it is Hill's (1975) estimate from the
largest 5%, which denies a variance only at two standard errors, and an interval that is printed is marked *interval
nominal: tail index estimated*: it may cover less than it says. The table shows how much less. The first three laws have
every moment; F(1, v) has the index v / 2.

{tails}

The estimate needs prompts. With 4,096 a heavy tail is hardly ever taken for a light one. With 1,024 an index of 1.5 is
granted an interval in 12% of samples, and an index of 2, the borderline, in 58%. With 256 it rests on 12 values: an
index of 1.5 is granted one in four of ten samples, those that happened to miss the tail, so that it covers 61%. Losses
as skewed as CV^2 = 8 lose their interval with many prompts although they need not. A learner whose tail may be heavy
should run with at least 1,024 prompts a cell, or say its own `tail_index`.

## The gate: `adverse_change`, `statistics/non_inferiority.py`, `statistics/multiplicity.py`

theta = log[(H + k)/(B + k)] is the change of a cell at one context size: H and B the means of head and base on the same
n prompts, k a millionth of the signal. With the pseudo-values u_i = (n - 1)(theta - theta without prompt i), M = max
|u_i| and Q = sum (u_i - mean)^2

    p = P(T_(n-1) > (theta - log(1 + margin) - M/n) / sqrt((Q + M^2)/(n(n-1))))

tests "the ratio is at most 1 + margin" (non-inferiority: Wellek 2010), with one adverse prompt more than was drawn.
Clusters are left out as prompts are. The same with base and head exchanged is an improvement. Where every u is 0 the
value itself decides; log ratios within 1e-6 of the margin count as on it, since losses are kept in single precision.

*Cut means.* Where a tail index of 1 or less is declared, or base or head has an effective number below 30, H and B are
the means of losses that count up to (2 E|f|)^2, as in skill, |f| the root of the risk of predicting zero (where that is
not stored: up to four times the squared mean root of base's loss, as in the simulations here). A limit that base and
head share cannot make equal laws differ. It compares what most prompts see: a rise in the few largest losses alone is
not found.

`weighted_holm` adjusts p-values for many hypotheses (Holm 1979): the chance of any false rejection is at most alpha
whatever their dependence. Weights say where the power goes; with several context sizes half the weight is on the
headline size of each cell and half is shared by its others.

24 cells, margin 1%, alpha 5%. *No change*: base and head have the same law; *all 1% worse*: every cell is exactly on
the margin, where independent cells may err with 4.9%; *4 of 24 5% worse*: head's losses are 5% larger in 4 cells;
*found*: share of those 4 cells that are called worse (at any of their context sizes).

{gate}

The adverse prompt costs power at few prompts, where it weighs most, and keeps the level for skewed losses. In the last
rows head has the same mean as base and less spread. A difference with a long lower tail makes Student's t too large
(its mean is too high when its standard error is too small), and at 256 prompts the gate errs with 8% although no mean
changed; at 1,024 with 2%. `icl-bench compare` notes it where a cell has fewer than 1,024 prompts. Equal means are no
promise of a pass whatever the shape: with 5% of the prompts x.01 and the others 5.2% worse, 95% of the prompts got
worse, and every rule is red.

Simpler rules on the same runs (lognormal, CV^2 = 2; *paired t* is without the adverse prompt):

{alternatives}

`smallest_detectable` is the rise that the gate finds with a given power: exp(log(1 + margin) + M/n + (t_(1 - alpha) +
t_power) stderr) - 1 (Chow, Shao and Wang 2008). Share of repetitions in which a rise of that size is found, power
90%, at alpha / 24; where few prompts make up the mean it promises a few percent too much:

{power}

On the losses of `quick` (1,024 prompts, every context size, heavy-tailed learners among them), head being the run
itself with each loss times a factor of mean 1 (`python -m evidence.gate_on_losses RUN --runs 400`):

| change | factor | what the gate said |
|---|---|---|
| none | lognormal, spread 5% | red in 0 of 400 comparisons |
| none | lognormal, spread 30% | red in 0 of 400 |
| none | x1.5 for half of the prompts, x.5 for the others | red in 1 of 400 |
| all cells +5% | spread 5% | 100.0% of the cells named |
| all cells +20% | spread 30% | 100.0% of the cells named |
| one cell +20% | spread 5% and 30% | red in 100 of 100 each |

Skill is compared over all shifts, per model, with the interval of the difference (the column *differences* above). It
is printed and decides nothing.

## Nightly looks: `statistics/sequential.py`

Each night brings fresh prompts, and an alarm may be raised on any of them. A night enters with theta - M/n and the
standard error above; the first night settles which cells are compared by means and which by cut means. `MixtureState`
keeps, for each cell, the excess of the log ratio over the margin, pooled over all prompts so far, and its information V
(1 / variance). With S = V times the excess, `log_e` is the logarithm of the mixture of exp(lambda S - lambda^2 V / 2)
over rises lambda with a half-normal density of scale 0.03 (Robbins 1970; Howard et al. 2021). By Ville's inequality the
chance that an e-process ever exceeds 1 / alpha is at most alpha. `closed_e_values` adjusts the cells' e-values for each
other: the closure of their arithmetic mean, valid at all times at once (Vovk and Wang 2021).

*Assumption: no error is common to a whole night.* An error that all losses of a night share is no noise of prompts, and
no standard error from prompts can know of it. With a common factor of spread 1% a night (jitter 5%, margin 1%, no
change) 10 of 200 states of 30 nights were red, and 2 of 25 in an earlier sample; with 2%, 9 of 50 (`python -m
evidence.nightly_on_losses RUN --spreads 0.05 --whole-night 0.01`). Run base and head on one machine.

Two things keep the level with estimated standard errors. The variance of a night is taken about the margin, not about
the night's own mean: then the process is a supermartingale for symmetric differences whatever their tails (de la Pena
1999). And nights are pooled by their number of prompts, not by their precision: precision depends on the same prompts
as the estimate, and with less spread in head than in base weighting by it raised an alarm in every simulated year on
the margin at 256 prompts a night.

Years of {nights} looks at 24 cells compared by means, with at least one false alarm, alpha 5%:

{false_alarms}

Nights until one of 24 cells, worse by this much beyond the margin of 1%, is found (lognormal, CV^2 = 2), beside the
nights that a single test at alpha / 24 needs, which may be looked at once, on a night chosen beforehand for a rise
known beforehand:

{delays}

The charge M/n of a night does not average out: a rise that is smaller than the margin and the charge together is not
found, however many nights are looked at (here 2% at 256 prompts). More prompts a night make it smaller. It also makes
the gate conservative: exactly on the margin a false alarm is rarer than one year in a hundred.

On the losses of `quick` at the headline size, 522 cells, 1,024 prompts a night drawn from 8,192, jitter as for the gate
(`python -m evidence.nightly_on_losses RUN --states 200`):

| change | jitter | what the gate said |
|---|---|---|
| none | 5% | 0 of 200 states of 30 nights red |
| none | 30% | 0 of 200 states of 30 nights red |
| all cells +5% | 5% | red by the third night in 50 of 50 states; 98.4% of the cells named after ten nights |

## Sources

- Cameron, Miller (2015), A practitioner's guide to cluster-robust inference, Journal of Human Resources 50.
- Chow, Shao, Wang (2008), Sample Size Calculations in Clinical Research, 2nd edition.
- David, Nagaraja (2003), Order Statistics, 3rd edition.
- de la Pena (1999), A general class of exponential inequalities for martingales and ratios, Annals of Probability 27.
- Efron, Stein (1981), The jackknife estimate of variance, Annals of Statistics 9.
- Hall (1992), On the removal of skewness by transformation, Journal of the Royal Statistical Society B 54.
- Hampel (1974), The influence curve and its role in robust estimation, JASA 69.
- Hill (1975), A simple general approach to inference about the tail of a distribution, Annals of Statistics 3.
- Holm (1979), A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6.
- Howard, Ramdas, McAuliffe, Sekhon (2021), Time-uniform, nonparametric, nonasymptotic confidence sequences, Annals of
  Statistics 49.
- Kish (1965), Survey Sampling.
- Mogstad, Romano, Shaikh, Wilhelm (2024), Inference for ranks with applications to mobility across neighbourhoods and
  academic achievement across countries, Review of Economic Studies 91.
- Robbins (1970), Statistical methods related to the law of the iterated logarithm, Annals of Mathematical Statistics
  41.
- Vovk, Wang (2021), E-values: calibration, combination and applications, Annals of Statistics 49.
- Wellek (2010), Testing Statistical Hypotheses of Equivalence and Noninferiority, 2nd edition.
"""

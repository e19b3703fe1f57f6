"""The text of docs/statistics.md, with a place for every simulated table."""

from __future__ import annotations

PAGE_TEXT = """# Statistics, and how often they err

Made by `python -m evidence.operating_characteristics`, text and tables. Entries are shares of simulated runs with
their Monte Carlo standard error: {repetitions} repetitions, {many} for the gate, for coverage and for power. Seeds
are fixed. `tests/statistics/test_operating_characteristics.py` holds the same simulations to these claims with fewer
repetitions.

The prompt is the unit of replication: losses are averaged within a prompt first. Where prompts share a random part (a
covariance, a task pool), the cluster of prompts that shares it takes the prompt's place.

Simulated losses have mean 1. *Squared normal* is the square of a normal error (CV^2 = 2, the squared coefficient of
variation). *Lognormal* losses have longer tails at the same CV^2. *F(1, v)* is the square of a normal error over the
mean of v squares, the shape of least squares near k = d: its tail index is v / 2, so that it has no variance and for
v <= 2 no mean. Base and head answer the same prompts and their losses are correlated .9, unless a table says
otherwise.

## Contrasts: `statistics/contrasts.py`

`log_mean` and `log_median` return the logarithm of a mean or median (plus an offset) and its *influences*: for each
prompt, how the logarithm moves when that prompt weighs more (Hampel 1974). Sums of such estimates have the sum of
their influences. So the change between two runs, SDR, AUSC and the interaction of joint shifts all get their standard
error from one function, `contrast`, and what they share cancels. `contrast` averages influences within clusters and
uses Student's t with the number of clusters less one as degrees (Cameron and Miller 2015). `relative_change` is the
contrast of head and base: the logarithm of the ratio of their means or medians, prompt by prompt.

*Means.* The influence of log(mean + offset) is (loss - mean) / (mean + offset), carried to the third order of the
jackknife (Efron and Stein 1981). The first order alone, the delta method, understates the variance of a paired log
ratio by 4% at 256 prompts with CV^2 = 2 and by 19% with CV^2 = 8, and covered 92.8% instead of 94.2% there.

*Medians.* The influence of a median needs the density at the median, which is read on the log scale from the order
statistics sqrt(n) ranks below and above it, the interval of the median at two standard errors (McKean and Schrader
1984). Among widths of 1.5, 2 and 2.5 standard errors, and smooth weights in place of the signs (Harrell and Davis
1982), this one covered best at every correlation: smooth weights cover 75-94% when base and head agree closely,
because they smooth away the steps that the median takes. A change is never taken to be surer than with two prompts on
different sides of the medians; without that, two learners that hardly differ would cover 57-87% at 16 to 64 prompts.
Below 64 prompts the interval is too wide rather than too narrow.

*Quantiles* (`statistics/quantiles.py`): the interval of a median is that of the order statistics (David and Nagaraja
2003).

*Means* (`statistics/intervals.py`): Student's t over clusters, bent by Hall's (1992) transformation, which takes the
skewness out of the studentised mean. *Ratios of means*: the interval of their logarithm, `relative_change` of the
denominator to the numerator.

Coverage of 95% intervals. SDR is the contrast of four log means, AUSC the average of three log ratios, each with
kappa = 0.25 added to the mean. Where the loss has no variance only medians are printed.

{coverage}

With CV^2 up to 2 every interval covers 93-97%. With CV^2 = 8 intervals of a mean and of AUSC cover a point or two less
below some 1,024 prompts: the sample often misses the few prompts that make up the mean, and no interval made from the
sample can know. Without Hall's transformation the mean's would cover 90% at 256 prompts. Intervals of changes are not
affected, since the tails cancel.

Change of medians, by correlation of the losses (of the numerators' and denominators' errors for F):

{medians}

Clusters of 64 prompts that share a level; base and head share one factor of it, each has another of CV^2 = 0.1:

{clusters}

With 16 clusters whose level is as skewed as an exponential, the interval of a ratio or a change covers 92%, that of a
mean 93-94% (88% without Hall's transformation). 32 clusters are enough for all.

## Tails: `statistics/tails.py`

Which statistic may be printed depends on the loss's tail index: above 1 it has a mean, above 2 a variance. Where
theory gives the index (least squares and its kin) it is exact. Elsewhere it is Hill's (1975) estimate from the largest
5%, which denies a variance only at two standard errors. The first three laws have every moment; F(1, v) has the index
v / 2.

{tails}

The estimate needs prompts. With 4,096 a heavy tail is hardly ever taken for a light one. With 1,024 an index of 1.5 is
granted a variance in 12% of samples, and an index of 2, the borderline, in 60%. With 256 it rests on 12 values, and an
index of 1.5 is granted a variance more often than not. Such intervals are printed for the samples that happened to miss
the tail, so that they cover less (the last column): where theory knows the tail, none is printed. The price of caution
is paid by losses as skewed as CV^2 = 8, which lose their interval with many prompts and are then compared by medians,
although they need not be. A learner whose tail may be heavy should run with at least 1,024 prompts a cell, or say its
own `tail_index`.

## The gate: `statistics/non_inferiority.py` and `statistics/multiplicity.py`

`worse_p_value` tests "the ratio is at most 1 + margin" with Student's t on the log scale, `better_p_value` "the ratio
is at least 1 / (1 + margin)" (Wellek 2010). The margin is log(1 + margin) both ways, so that exchanging base and head
exchanges the two answers. Where the standard error is 0 the value itself decides. Log ratios within 1e-6 of the
margin count as on it, since losses are kept in single precision.

`weighted_holm` adjusts p-values for many hypotheses (Holm 1979): the chance of any false rejection is at most alpha
whatever their dependence. Weights say where the power goes; with several context sizes half the weight is on the
headline size of each cell and half is shared by its others.

24 cells, margin 1%, alpha 5%. *No change*: base and head have the same law; *all 1% worse*: every cell is exactly on
the margin, where independent cells may err with 4.9%; *4 of 24 5% worse*: head's losses are 5% larger in 4 cells;
*found*: share of those 4 cells that are called worse (at any of their context sizes).

{gate}

Exactly on the margin the level is exceeded at 256 prompts, by up to 2.5 points: the far tail, where a 24th of 5%
lies, is the last to become that of a normal. Without a change it is not. The last rows are another matter: head
has the same mean as base and less spread. A difference with a long lower tail makes Student's t too large (its mean
is too high when its standard error is too small), and at 256 prompts the gate errs with 12% although no mean changed.
At 1,024 prompts it errs with 4%, at 4,096 with 1%. Hall's correction does not help here (12% as well, and it doubles
the level of equal laws), because the skewness of such losses cannot be estimated from 256 of them. A gate should have
at least 1,024 prompts a cell; `icl-bench compare` notes it where there are fewer.

Simpler rules on the same runs (lognormal, CV^2 = 2):

{alternatives}

`smallest_detectable` is the rise that the gate finds with a given power: exp(log(1 + margin) + (t_(1 - alpha) +
t_power) stderr) - 1 (Chow, Shao and Wang 2008). Share of repetitions in which a rise of that size is found, power
90%, at alpha / 24:

{power}

## Nightly looks: `statistics/sequential.py`

Each night brings fresh prompts, and an alarm may be raised on any of them. `MixtureState` keeps, for each cell, the
excess of the log ratio over the margin, pooled over all prompts so far, and its information V (1 / variance). With S
= V times the excess, `log_e` is the logarithm of the mixture of exp(lambda S - lambda^2 V / 2) over rises lambda with
a half-normal density of scale 0.03 (Robbins 1970; Howard et al. 2021). By Ville's inequality the chance that an
e-process ever exceeds 1 / alpha is at most alpha. `closed_e_values` adjusts the cells' e-values for each other: the
closure of their arithmetic mean, valid at all times at once (Vovk and Wang 2021).

Three things keep the level with estimated standard errors. The variance of a night is taken about the margin, not
about the night's own mean: then the process is a supermartingale for symmetric differences whatever their tails (de
la Pena 1999). Influences are the jackknife's: with the delta method's, false alarms on the margin were 7.5% instead
of 1.1% at 256 prompts with CV^2 = 8. And nights are pooled by their number of prompts, not by their precision:
precision depends on the same prompts as the estimate, and with less spread in head than in base weighting by it
raised an alarm in every simulated year on the margin at 256 prompts a night.

Years of {nights} looks at 24 cells with at least one false alarm, alpha 5%:

{false_alarms}

With the same law in base and head false alarms stay below 5%. With less spread in head and every cell exactly on the
margin they do not: the log of a ratio of means is biased by half the difference of the variances of both means, which
does not average out over nights. It takes more prompts a night to make it small; without a change there are none to
speak of.

Nights until one of 24 cells, worse by this much beyond the margin of 1%, is found (lognormal, CV^2 = 2), beside the
nights that a single test at alpha / 24 needs, which may be looked at once, on a night chosen beforehand for a rise
known beforehand:

{delays}

## Sources

- Cameron, Miller (2015), A practitioner's guide to cluster-robust inference, Journal of Human Resources 50.
- Chow, Shao, Wang (2008), Sample Size Calculations in Clinical Research, 2nd edition.
- David, Nagaraja (2003), Order Statistics, 3rd edition.
- de la Pena (1999), A general class of exponential inequalities for martingales and ratios, Annals of Probability 27.
- Efron, Stein (1981), The jackknife estimate of variance, Annals of Statistics 9.
- Hall (1992), On the removal of skewness by transformation, Journal of the Royal Statistical Society B 54.
- Hampel (1974), The influence curve and its role in robust estimation, JASA 69.
- Harrell, Davis (1982), A new distribution-free quantile estimator, Biometrika 69.
- Hill (1975), A simple general approach to inference about the tail of a distribution, Annals of Statistics 3.
- Holm (1979), A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6.
- Howard, Ramdas, McAuliffe, Sekhon (2021), Time-uniform, nonparametric, nonasymptotic confidence sequences, Annals of
  Statistics 49.
- McKean, Schrader (1984), A comparison of methods for studentizing the sample median, Communications in Statistics B
  13.
- Robbins (1970), Statistical methods related to the law of the iterated logarithm, Annals of Mathematical Statistics
  41.
- Vovk, Wang (2021), E-values: calibration, combination and applications, Annals of Statistics 49.
- Wellek (2010), Testing Statistical Hypotheses of Equivalence and Noninferiority, 2nd edition.
"""

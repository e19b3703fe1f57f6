"""Task priors, one per file; each knows its Bayes predictor if there is one."""

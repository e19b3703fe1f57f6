"""One block evaluated. Foreign code, a model's or a metric's, is caught in this folder and nowhere else."""

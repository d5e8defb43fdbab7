"""Studies: sets of controlled experiments, their plan, their results."""

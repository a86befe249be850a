"""Paint by optimisation (Gatys et al. 2016): slow, and the best that a style can look."""

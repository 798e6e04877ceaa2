"""Coating lines for battery electrodes: the simulated one, and those of a laboratory."""

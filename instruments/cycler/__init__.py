"""The simulated battery cycler: whole lives of cells under a charging protocol."""

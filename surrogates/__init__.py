"""Models that stand in for something slow, with calibrated intervals."""

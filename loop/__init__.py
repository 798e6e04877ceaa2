"""Propose, run, learn: the engine, its store and its faces."""

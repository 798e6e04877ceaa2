"""Optimisers: pure functions from a campaign's history to the next proposals, one a file."""

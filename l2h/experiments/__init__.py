"""Runs: configurations, the store of results, and sweeps over many configurations."""

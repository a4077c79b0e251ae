"""Metrics of a system's predictions, curves, thresholds, and comparisons with confidence intervals."""

"""Data sets, their splits, and corruptions of their images."""

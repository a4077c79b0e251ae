"""Losses of learning to help and of the methods that it is compared with, one value per example."""

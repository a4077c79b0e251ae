"""The errata: what only this page computes."""

"""Chapter 06, the comparison: what only this chapter computes and draws."""

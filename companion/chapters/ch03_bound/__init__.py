"""Chapter 03, the generalization bound: what only this chapter computes and draws."""

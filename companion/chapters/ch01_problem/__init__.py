"""Chapter 01, the problem: what only this chapter computes and draws."""

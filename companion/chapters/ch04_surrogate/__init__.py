"""Chapter 04, the surrogate loss: what only this chapter computes and draws."""

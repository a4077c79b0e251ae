"""Chapter 08, the costs: what only this chapter computes and draws."""

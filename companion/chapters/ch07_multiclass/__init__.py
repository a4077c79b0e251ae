"""Chapter 07, many classes: what only this chapter computes and draws."""

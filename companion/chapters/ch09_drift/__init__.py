"""Chapter 09, data that change: what only this chapter computes and draws."""

"""Chapter 10, other domains: what only this chapter computes and draws."""

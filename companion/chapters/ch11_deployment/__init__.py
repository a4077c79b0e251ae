"""Chapter 11, the deployment: what only this chapter computes and draws."""

"""Chapter 02, the Bayes rules: what only this chapter computes and draws."""

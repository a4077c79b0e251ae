"""Chapter 05, the CIFAR-10 experiment: what only this chapter computes and draws."""

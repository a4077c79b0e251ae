"""Speed and scale, always as ratios measured in one run; `make bench` runs them."""

"""Speed and scale, always relative to a baseline measured in the same run; `make bench` runs them."""

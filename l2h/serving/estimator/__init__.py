"""A scikit-learn estimator that fits rejector and server for a frozen model, and reports on them."""

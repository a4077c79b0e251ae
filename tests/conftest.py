"""What all tests share."""

import matplotlib
from hypothesis import settings

matplotlib.use("Agg")

# The same examples in every run; a busy machine is no failure.
settings.register_profile("book", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("book")

"""The pages of the book: what Sphinx reads, what it is taught, and what is done to the pages that it writes."""

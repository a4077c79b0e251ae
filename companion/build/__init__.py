"""From sources to records: executing, recording, verifying and auditing the book."""

"""Machine-checked proofs of the statements in `l2h.theory`."""

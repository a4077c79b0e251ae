"""Claims: their rules, their evidence and their verdicts."""

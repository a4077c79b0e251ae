"""The page on a client that really ages: its readings, experiments, analysis, evidence and figures."""

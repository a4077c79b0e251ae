"""Chapter 09, data that change: its experiments, analysis, evidence and figures."""

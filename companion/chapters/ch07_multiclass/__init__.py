"""Chapter 07, many classes: its experiments, theory, analysis, evidence and figures."""

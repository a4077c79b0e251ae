"""The executable companion of "Learning To Help: Training Models to Assist Legacy Devices" (arXiv 2409.16253)."""

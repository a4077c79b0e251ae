"""Models as ONNX files: written from torch and scikit-learn, checked, quantised, and run."""

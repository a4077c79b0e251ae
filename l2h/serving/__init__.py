"""A helper for a frozen client: fitted, saved as a folder of ONNX files, served, and asked by a device."""

"""The server: the Open Inference Protocol over HTTP, by an engine of our own and by NVIDIA Triton."""

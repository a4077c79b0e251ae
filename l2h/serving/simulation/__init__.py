"""A simulated deployment: devices, links and queueing servers, with accuracy as an output."""

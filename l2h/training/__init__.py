"""Training networks: configurations, the loop, and the frozen clients."""

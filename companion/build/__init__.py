"""From sources to pages: executing, recording, rendering and verifying the book."""

"""What the page on a frozen model of one's own computes."""

"""What the chapters compute: one folder per chapter, and what several of them share."""

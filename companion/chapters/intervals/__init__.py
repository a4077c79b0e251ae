"""The page on how the intervals were checked: what only this chapter computes and draws."""

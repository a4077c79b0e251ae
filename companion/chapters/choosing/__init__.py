"""The page on choosing the costs: what only this chapter computes and draws."""

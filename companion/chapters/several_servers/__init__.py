"""The page on several servers and on privacy: what only this page computes and draws."""

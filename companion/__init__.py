"""What only this book needs: chapters, claims, proofs, and the tools that execute and render."""

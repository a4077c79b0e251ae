"""Coursework that grades itself: assignments from masters with solutions, and the grades of a folder of submissions."""

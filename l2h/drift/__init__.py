"""Streams that change: schedules, detectors, monitoring and adaptation policies."""

"""A helper for a frozen model of one's own: fitting, its report, its folder, a server, and the device that asks it."""

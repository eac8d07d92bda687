"""The crash bench: kills the server in mid-write, many times, and looks for losses."""

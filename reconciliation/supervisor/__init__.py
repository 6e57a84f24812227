"""Processes that are kept running: started, watched, started again, and ended without an orphan."""

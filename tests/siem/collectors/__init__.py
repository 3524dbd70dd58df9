"""Real collectors at the end of a real installation: what comes out of them is what was published."""

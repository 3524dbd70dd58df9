"""From a snapshot to what is said of it: what it lacks is asked for, all is weighed, and verdicts become steps."""

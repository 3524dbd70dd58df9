"""Whatever bytes come from outside: the answer is a value or an error of ours, never anything else."""

"""Run an experiment in a process of its own and judge its claims."""

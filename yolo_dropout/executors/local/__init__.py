"""Runs on this machine: fresh processes, on its cores or GPUs."""

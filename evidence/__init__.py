"""What the documents claim of the project, computed: run as `python -m evidence.NAME`."""

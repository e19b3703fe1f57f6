"""Measurements of icl-bench itself: speed, memory, and how near a run comes to what is exact."""

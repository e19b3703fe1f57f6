"""What other learners are held against."""

"""In-context learners, one per file, in folders by kind."""

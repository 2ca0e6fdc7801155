"""Audio: encodings, containers, sample statistics, noise and synthetic speech. Pure functions."""

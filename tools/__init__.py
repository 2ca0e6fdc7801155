"""Programs for developers: they make samples and parts of the documents."""

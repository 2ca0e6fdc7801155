"""What commands print: JSON for programs, text and Markdown for people."""

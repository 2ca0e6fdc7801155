"""The programs that make the sample traces in recordings/samples."""

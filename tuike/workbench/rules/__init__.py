"""What may be asked, and how answers are shown: pure."""

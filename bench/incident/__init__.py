"""What capture, comparison and replay cost."""

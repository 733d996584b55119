"""What people see: views that turn plain values into markup, and the panels they stand in."""

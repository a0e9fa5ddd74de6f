"""What ``python -m moonnet`` does to CSV files, and the pictures that it draws."""

"""Standard datasets: tables, arrays and images from files, and small ones that need no file."""

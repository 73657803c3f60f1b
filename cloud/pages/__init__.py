"""The plain pages for citizens: German and English, no JavaScript, nothing from anywhere else."""

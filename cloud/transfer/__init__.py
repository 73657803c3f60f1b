"""Bulk import and export of data: files of many makers to points and back."""

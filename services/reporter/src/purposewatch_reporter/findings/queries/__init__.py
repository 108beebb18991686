"""Lists of violations and findings: filters, the order of a page, exports."""

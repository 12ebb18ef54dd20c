"""Where sentences begin, in running text and in lists, tables, logs, code and formulas."""

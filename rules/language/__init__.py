"""The rule language: YAML documents with typed, unit-checked expressions.

`places` keeps file, line and column · `grammar` turns text into trees · `types` knows units and attributes ·
`check` and `functions` resolve and type the trees · `document` reads whole rules · `codegen` writes Python for them.
"""

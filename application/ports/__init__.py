"""What the use cases need from outside, one module a concern. Docstrings are the contract: the suites in
`tests/contracts` check them on the fake and on every real adapter.
"""

"""The loops: pure functions of arrays and a few integers, which import nothing else of ours.

`words` has the operations on machine words, as NumPy functions. `floats` and `philox` are
written in them, so the same formula runs on whole arrays (the numpy engine), on single numbers
(the loops with the JIT off) and compiled. `compiled` alone imports numba.
"""
